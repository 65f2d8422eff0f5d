// Bases that stay on the device, each perhaps with multiples 2^stride·P, 2^2stride·P, …

#pragma once

#include <algorithm>
#include <type_traits>

#include "curve.cuh"
#include "launch.cuh"
#include "windows.cuh"

namespace assay {

constexpr uint32_t MOST_MULTIPLES = 64;

// 2^doublings times each base, not normalized yet.
template <class F> struct RaiseBases : Plain {
    const Affine<F> *bases;
    uint64_t count;
    uint32_t doublings;
    Xyzz<F> *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= count) return;
        Xyzz<F> point = Xyzz<F>::of(bases[i]);
        ASSAY_ROLLED for (uint32_t j = 0; j < doublings; ++j) point.double_in_place();
        out[i] = point;
    }
};

// To affine coordinates. A thread shares one inversion among every `threads`-th point.
template <class F> struct NormalizeBases : Plain {
    static constexpr uint64_t EACH = 64;
    const Xyzz<F> *points;
    uint64_t count;
    uint64_t threads;
    // Products of the denominators before each point.
    F *products;
    Affine<F> *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        if (thread.index() >= threads) return;
        F product = F::one();
        uint64_t last = thread.index();
        ASSAY_ROLLED for (uint64_t i = thread.index(); i < count; i += threads) {
            products[i] = product;
            const F zzz = points[i].zzz;
            if (!zzz.is_zero()) product = product * zzz;
            last = i;
        }
        F inverse = F::inverse(product);
        ASSAY_ROLLED for (uint64_t i = last;; i -= threads) {
            const Xyzz<F> point = points[i];
            if (point.is_identity()) {
                out[i] = {F::zero(), F::zero()};
            } else {
                // 1/ZZ = (ZZ/ZZZ)^2
                const F inverse_zzz = inverse * products[i], inverse_z = point.zz * inverse_zzz;
                out[i] = {point.x * inverse_z.squared(), point.y * inverse_zzz};
                inverse = inverse * point.zzz;
            }
            if (i < threads) break;
        }
    }
};

template <class F> class Bases {
public:
    // `multiples` of each; 0 leaves the choice here.
    Bases(Device &device, const uint64_t *points, uint64_t len, uint32_t multiples) : device_(device), len_(len), multiples_(multiples) {
        require(len < (1ull << 31) / (multiples ? multiples : 1), "too many bases");
        require(RAISED || multiples == 1, "these bases have no multiples");
        if constexpr (RAISED) {
            if (multiples_ == 0) multiples_ = chosen();
        }
        stride_ = static_cast<uint32_t>(divided_up(SCALAR_BITS, multiples_));
        points_ = Buffer<Affine<F>>(device, len * multiples_);
        points_.upload(points, len);
        if constexpr (RAISED) {
            for (uint32_t multiple = 1; multiple < multiples_ && len > 0; ++multiple) raise(multiple);
        }
        device.finish();
    }

    Device &device() const { return device_; }
    const Affine<F> *data() const { return points_.data(); }
    uint64_t len() const { return len_; }
    uint32_t multiples() const { return multiples_; }
    uint32_t stride() const { return stride_; }

private:
    // Those of G2 are used once in a proof: no kernels for multiples of theirs.
    static constexpr bool RAISED = std::is_same<F, Fq>::value;
    // From so many bases on multiples are worth their making.
    static constexpr uint64_t LEAST = 1 << 15;

    // They take half of the memory at most.
    uint32_t chosen() const {
        if (len_ < LEAST) return 1;
        const uint64_t available = device_.available(), room = available / 2 / (len_ * sizeof(Affine<F>)), indexed = ((1ull << 31) - 1) / len_;
        const uint32_t most = static_cast<uint32_t>(std::min<uint64_t>({room, indexed, MOST_MULTIPLES}));
        return Windows::multiples(len_, most, available / 6 / sizeof(Xyzz<F>));
    }

    void raise(uint32_t multiple) {
        const uint64_t chunk = len_ < CHUNK ? len_ : CHUNK;
        const Buffer<Xyzz<F>> raised(device_, chunk);
        const Buffer<F> products(device_, chunk);
        const Affine<F> *from = points_.data() + (multiple - 1) * len_;
        for (uint64_t start = 0; start < len_; start += chunk) {
            const uint64_t count = len_ - start < chunk ? len_ - start : chunk;
            RaiseBases<F> raise;
            raise.bases = from + start;
            raise.count = count;
            raise.doublings = stride_;
            raise.out = raised.data();
            launch_for(device_, count, raise);
            NormalizeBases<F> normalize;
            normalize.points = raised.data();
            normalize.count = count;
            normalize.threads = divided_up(count, NormalizeBases<F>::EACH);
            normalize.products = products.data();
            normalize.out = points_.data() + multiple * len_ + start;
            launch_for(device_, normalize.threads, normalize);
        }
    }

    static constexpr uint64_t CHUNK = 1 << 20;

    Device &device_;
    uint64_t len_;
    uint32_t multiples_;
    uint32_t stride_;
    Buffer<Affine<F>> points_;
};

} // namespace assay
