// What the library wants of a machine: memory with a limit, copies, kernels, a sort. On a device CUDA provides it (platform_cuda.cu, sort_cuda.cu); compiled
// with an ordinary compiler, the processor does (platform_emulated.cpp), thread after thread, so that everything can be tested where there is no device.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "../assay_gpu.h"

#ifdef __CUDACC__
#define ASSAY_FN __host__ __device__ __forceinline__
#define ASSAY_CALL __host__ __device__ __noinline__
#else
#define ASSAY_FN inline
#define ASSAY_CALL inline
#endif

#ifdef __CUDA_ARCH__
#define ASSAY_ROLLED _Pragma("unroll 1")
#define ASSAY_UNROLLED _Pragma("unroll")
#else
#define ASSAY_ROLLED
#define ASSAY_UNROLLED
#endif

namespace assay {

// Thrown within the library only; texts are literals.
struct Failure {
    assay_status status;
    const char *what;
    const char *detail;
};

[[noreturn]] inline void refuse(const char *what) { throw Failure{ASSAY_ARGUMENT, what, ""}; }

inline void require(bool condition, const char *what) {
    if (!condition) refuse(what);
}

// A text for the caller has so many at most.
constexpr size_t ERROR_BYTES = 512;

// Two chunks are on their way at a time: one is uploaded while the other is worked on.
constexpr unsigned SLOTS = 2;

// A device in use. Work is queued in order; copies to the host wait for it.
class Device {
public:
    explicit Device(uint32_t number);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    // 0 without a driver; throws if there is one that fails.
    static uint32_t count();
    static void describe(uint32_t number, assay_device &out);

    // At the beginning of each call, before anything else, on whatever thread it comes; and at its end.
    void enter();
    void leave();
    // Waits for the work that is queued; throws if it failed.
    void finish();
    // After a failure: waits for everything, whatever becomes of it. Without memory, what is kept for later goes back to the driver, which has needs of its own.
    void recover(assay_status status) noexcept;

    void *allocate(size_t bytes);
    void release(void *memory, size_t bytes) noexcept;
    void limit(uint64_t bytes) { limit_ = bytes; }
    // About how much can be allocated.
    uint64_t available();

    void upload(void *to, const void *from, size_t bytes);
    void download(void *to, const void *from, size_t bytes);
    void zero(void *memory, size_t bytes);

    // Uploads beside the work: `stage` copies into a slot once what `consumed` marked is done, and work queued after `staged` waits for it.
    void consumed(unsigned slot);
    void stage_begin(unsigned slot);
    void stage(void *to, const void *from, size_t bytes);
    void staged(unsigned slot);

    uint32_t multiprocessors() const { return multiprocessors_; }
    // The queue, in the platform's terms; and that a kernel comes into it now.
    void *queue() const;
    void computes();
    // See `assay_seconds`.
    double seconds() noexcept;

    char error[ERROR_BYTES] = "";

private:
    void settle() noexcept;

    struct Platform;
    std::unique_ptr<Platform> platform_;
    uint32_t number_;
    uint32_t multiprocessors_ = 1;
    uint64_t limit_ = 0;
    uint64_t used_ = 0;
};

// Memory on a device.
template <class T> class Buffer {
public:
    Buffer() = default;
    Buffer(Device &device, uint64_t count) : device_(&device), count_(count) {
        if (count > SIZE_MAX / 2 / sizeof(T)) throw Failure{ASSAY_MEMORY, "more memory than can be addressed", ""};
        data_ = count ? static_cast<T *>(device.allocate(count * sizeof(T))) : nullptr;
    }
    Buffer(Buffer &&other) noexcept { swap(other); }
    Buffer &operator=(Buffer &&other) noexcept {
        Buffer old(std::move(*this));
        swap(other);
        return *this;
    }
    ~Buffer() {
        if (data_) device_->release(data_, count_ * sizeof(T));
    }

    T *data() const { return data_; }
    uint64_t size() const { return count_; }
    void zero() { device_->zero(data_, count_ * sizeof(T)); }
    void upload(const void *from, uint64_t count, uint64_t at = 0) { device_->upload(data_ + at, from, count * sizeof(T)); }
    void download(void *to, uint64_t count, uint64_t at = 0) const { device_->download(to, data_ + at, count * sizeof(T)); }

private:
    void swap(Buffer &other) noexcept {
        std::swap(device_, other.device_);
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
    }

    Device *device_ = nullptr;
    T *data_ = nullptr;
    uint64_t count_ = 0;
};

// Two arrays of sort keys, or of what belongs to them: the sort goes from one to the other and back.
struct Sortable {
    uint32_t *keys[2];
    uint32_t *values[2];
    // Where the sorted ones are.
    unsigned current = 0;
};

// Bytes that `sort_pairs` needs besides.
size_t sort_bytes(uint64_t count, unsigned bits);
// Sorts by the lowest `bits` of the keys, and is stable.
void sort_pairs(Device &device, Sortable &pairs, uint64_t count, unsigned bits, void *extra, size_t extra_bytes);

inline uint64_t divided_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

inline unsigned bit_length(uint64_t value) {
    unsigned bits = 0;
    for (; value; value >>= 1) ++bits;
    return bits;
}

} // namespace assay

#include "launch.cuh"
