// The sumcheck over a product of two multilinear polynomials, and its C interface. A bind computes the next round's message too, with the elements at hand.

#include <algorithm>

#include "context.cuh"
#include "sums.cuh"

using namespace assay;

struct assay_product {
    Shared shared;
    // a, then b.
    Buffer<Fr> values;
    uint64_t len;
    // Of this round, if it is known; on the device.
    Buffer<Sums<2>> message;
    bool known;
};

namespace {

ASSAY_FN void add_pair(Sums<2> &sums, const Fr &a_low, const Fr &a_high, const Fr &b_low, const Fr &b_high) {
    sums.values[0] = sums.values[0] + a_low * b_low;
    sums.values[1] = sums.values[1] + (a_high - a_low) * (b_high - b_low);
}

struct ProductMessage : Summing<2> {
    const Fr *a;
    const Fr *b;
    uint64_t pairs;
    Sums<2> *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        Sums<2> sums = {{Fr::zero(), Fr::zero()}};
        ASSAY_ROLLED for (uint64_t i = thread.index(); i < pairs; i += thread.count()) add_pair(sums, a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1]);
        sum_of_block<2>(thread, sums, out + thread.block);
    }
};

// Four elements to two, and their share of the message.
struct ProductBind : Summing<2> {
    const Fr *a;
    const Fr *b;
    // Pairs of results, of which the last may be one alone.
    uint64_t pairs;
    uint64_t results;
    Fr x;
    Fr *out_a;
    Fr *out_b;
    Sums<2> *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        Sums<2> sums = {{Fr::zero(), Fr::zero()}};
        ASSAY_ROLLED for (uint64_t i = thread.index(); i < pairs; i += thread.count()) {
            const Fr a_low = bound(a, 2 * i), b_low = bound(b, 2 * i);
            out_a[2 * i] = a_low;
            out_b[2 * i] = b_low;
            if (2 * i + 1 < results) {
                const Fr a_high = bound(a, 2 * i + 1), b_high = bound(b, 2 * i + 1);
                out_a[2 * i + 1] = a_high;
                out_b[2 * i + 1] = b_high;
                add_pair(sums, a_low, a_high, b_low, b_high);
            }
        }
        sum_of_block<2>(thread, sums, out + thread.block);
    }

    ASSAY_FN Fr bound(const Fr *values, uint64_t i) const { return values[2 * i] + x * (values[2 * i + 1] - values[2 * i]); }
};

} // namespace

int32_t assay_product_new(assay_context *context, const uint64_t *a, const uint64_t *b, size_t len, assay_product **out) {
    return guarded_on(context, [&] {
        require(out, "a pointer is null");
        *out = nullptr;
        require_pointer(a, len);
        require_pointer(b, len);
        require(len > 0 && (len & (len - 1)) == 0, "the length is no power of two");
        Device &device = context->shared->device;
        Buffer<Fr> values(device, 2ull * len);
        values.upload(a, len);
        values.upload(b, len, len);
        Buffer<Sums<2>> message(device, 1);
        device.finish();
        *out = new assay_product{context->shared, std::move(values), len, std::move(message), false};
    });
}

void assay_product_free(assay_product *product) { release(product); }

int32_t assay_product_message(assay_product *product, uint64_t out[8]) {
    return guarded_on(product, [&] {
        require(out, "a pointer is null");
        require(product->len > 1, "no round is left");
        if (!product->known) {
            Device &device = product->shared->device;
            const uint64_t blocks = sum_blocks(device, product->len / 2);
            const Buffer<Sums<2>> parts(device, blocks);
            ProductMessage kernel;
            kernel.a = product->values.data();
            kernel.b = product->values.data() + product->len;
            kernel.pairs = product->len / 2;
            kernel.out = parts.data();
            launch(device, blocks, kernel);
            add_blocks(device, parts.data(), blocks, product->message.data());
            product->known = true;
        }
        product->message.download(out, 1);
    });
}

int32_t assay_product_bind(assay_product *product, const uint64_t x[4]) {
    return guarded_on(product, [&] {
        require(x, "a pointer is null");
        require(product->len > 1, "no round is left");
        Device &device = product->shared->device;
        const uint64_t len = product->len / 2, pairs = divided_up(len, 2), blocks = sum_blocks(device, pairs);
        Buffer<Fr> values(device, 2 * len);
        const Buffer<Sums<2>> parts(device, blocks);
        ProductBind kernel;
        kernel.a = product->values.data();
        kernel.b = product->values.data() + product->len;
        kernel.pairs = pairs;
        kernel.results = len;
        kernel.x = field_of(x);
        kernel.out_a = values.data();
        kernel.out_b = values.data() + len;
        kernel.out = parts.data();
        launch(device, blocks, kernel);
        add_blocks(device, parts.data(), blocks, product->message.data());
        product->values = std::move(values);
        product->len = len;
        product->known = true;
    });
}

int32_t assay_product_first(assay_product *product, uint64_t out[8]) {
    return guarded_on(product, [&] {
        require(out, "a pointer is null");
        product->values.download(out, 1);
        product->values.download(out + 4, 1, product->len);
    });
}
