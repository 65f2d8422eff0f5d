// The platform on CUDA's runtime. Memory comes from a pool of the context's own, in the order of the queue, so that allocating costs no synchronisation.

#include <algorithm>
#include <cstdio>

#include "lanes.h"
#include "launch.cuh"

namespace assay {

namespace {

// See lanes.h. A new thread has no device yet.
struct CudaApi {
    using Queue = cudaStream_t;
    using Event = cudaEvent_t;

    int device = 0;

    int enter() const { return cudaSetDevice(device); }
    static int make_queue(Queue &queue) { return cudaStreamCreateWithFlags(&queue, cudaStreamNonBlocking); }
    static int make_event(Event &event) { return cudaEventCreateWithFlags(&event, cudaEventDisableTiming); }
    static int make_memory(void *&memory, size_t bytes) { return cudaMallocHost(&memory, bytes); }
    static void free_queue(Queue queue) {
        if (queue) cudaStreamDestroy(queue);
    }
    static void free_event(Event event) {
        if (event) cudaEventDestroy(event);
    }
    static void free_memory(void *memory) {
        if (memory) cudaFreeHost(memory);
    }
    static int record(Event event, Queue queue) { return cudaEventRecord(event, queue); }
    static int wait(Queue queue, Event event) { return cudaStreamWaitEvent(queue, event, 0); }
    static int wait_here(Event event) { return cudaEventSynchronize(event); }
    static int copy_up(void *to, const void *from, size_t bytes, Queue queue) { return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, queue); }
    static int copy_down(void *to, const void *from, size_t bytes, Queue queue) { return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, queue); }
    static void settle(Queue queue) {
        if (queue) cudaStreamSynchronize(queue);
    }
};

constexpr size_t PIECE = 4 << 20;

// Left to the driver, which loads code and gives kernels their local memory when they are needed first: so much, or a sixteenth of a small device.
constexpr uint64_t RESERVE = 1 << 30;

} // namespace

void check_cuda(cudaError_t error, const char *what) {
    if (error == cudaSuccess) return;
    cudaGetLastError();
    throw Failure{error == cudaErrorMemoryAllocation ? ASSAY_MEMORY : ASSAY_DEVICE, what, cudaGetErrorString(error)};
}

struct Device::Platform {
    cudaStream_t work = nullptr;
    cudaStream_t copies = nullptr;
    cudaEvent_t consumed[SLOTS] = {};
    cudaEvent_t staged[SLOTS] = {};
    // Null where the driver has no pools.
    cudaMemPool_t pool = nullptr;
    uint64_t reserve = 0;
    // Around the kernels of a call: the second is recorded whenever copies follow, and at the end.
    cudaEvent_t first = nullptr;
    cudaEvent_t last = nullptr;
    // Whether this call has had kernels, whether any since `last`, and whether the two events belong together.
    bool computed = false;
    bool computing = false;
    bool timed = false;
    // Made with the first large copy; null where the memory for it cannot be had.
    std::unique_ptr<Lanes<CudaApi, PIECE>> lanes;
    bool lanes_tried = false;

    // Lanes for a copy of so many bytes, if it is worth it.
    Lanes<CudaApi, PIECE> *lanes_for(size_t bytes, int number) {
        if (bytes < Lanes<CudaApi, PIECE>::LEAST) return nullptr;
        if (!lanes_tried) {
            lanes_tried = true;
            lanes.reset(new Lanes<CudaApi, PIECE>(CudaApi{number}));
            if (lanes->make() != cudaSuccess) {
                lanes.reset();
                cudaGetLastError();
            }
        }
        return lanes.get();
    }

    void upload(void *to, const void *from, size_t bytes, cudaStream_t queue, int number) {
        if (bytes == 0) return;
        Lanes<CudaApi, PIECE> *const large = lanes_for(bytes, number);
        const int error = large ? large->upload(queue, to, from, bytes) : cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, queue);
        check_cuda(static_cast<cudaError_t>(error), "copying to the device failed");
    }

    void make(int number) {
        check_cuda(cudaStreamCreateWithFlags(&work, cudaStreamNonBlocking), "no stream");
        check_cuda(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking), "no stream");
        for (unsigned slot = 0; slot < SLOTS; ++slot) {
            check_cuda(cudaEventCreateWithFlags(&consumed[slot], cudaEventDisableTiming), "no event");
            check_cuda(cudaEventCreateWithFlags(&staged[slot], cudaEventDisableTiming), "no event");
        }
        check_cuda(cudaEventCreate(&first), "no event");
        check_cuda(cudaEventCreate(&last), "no event");
        size_t free = 0, total = 0;
        check_cuda(cudaMemGetInfo(&free, &total), "no account of the memory");
        reserve = std::min<uint64_t>(RESERVE, total / 16);
        int pools = 0;
        check_cuda(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, number), "no attribute");
        if (!pools) return;
        cudaMemPoolProps properties = {};
        properties.allocType = cudaMemAllocationTypePinned;
        properties.location.type = cudaMemLocationTypeDevice;
        properties.location.id = number;
        check_cuda(cudaMemPoolCreate(&pool, &properties), "no memory pool");
        // between calls; what is more goes back to the driver
        uint64_t kept = total / 4 * 3;
        check_cuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept), "no memory pool");
    }

    // Before copies to the host, and at the end of a call.
    void mark() {
        if (!computing) return;
        check_cuda(cudaEventRecord(last, work), "no event");
        computing = false;
        timed = true;
    }

    ~Platform() {
        lanes.reset();
        if (first) cudaEventDestroy(first);
        if (last) cudaEventDestroy(last);
        for (unsigned slot = 0; slot < SLOTS; ++slot) {
            if (consumed[slot]) cudaEventDestroy(consumed[slot]);
            if (staged[slot]) cudaEventDestroy(staged[slot]);
        }
        if (copies) cudaStreamDestroy(copies);
        if (work) cudaStreamDestroy(work);
        if (pool) cudaMemPoolDestroy(pool);
    }
};

Device::Device(uint32_t number) : platform_(new Platform), number_(number) {
    enter();
    platform_->make(static_cast<int>(number));
    int multiprocessors = 1;
    check_cuda(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, static_cast<int>(number)), "no attribute");
    multiprocessors_ = static_cast<uint32_t>(std::max(multiprocessors, 1));
}

Device::~Device() {
    cudaSetDevice(static_cast<int>(number_));
    settle();
}

uint32_t Device::count() {
    int count = 0, version = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaErrorNoDevice || (error == cudaErrorInsufficientDriver && cudaDriverGetVersion(&version) == cudaSuccess && version == 0)) {
        // without a driver it is called insufficient too, but has no version
        cudaGetLastError();
        return 0;
    }
    check_cuda(error, "the driver cannot be used");
    return static_cast<uint32_t>(std::max(count, 0));
}

void Device::describe(uint32_t number, assay_device &out) {
    cudaDeviceProp properties;
    check_cuda(cudaGetDeviceProperties(&properties, static_cast<int>(number)), "no properties of the device");
    std::snprintf(out.name, sizeof out.name, "%s", properties.name);
    out.memory_bytes = properties.totalGlobalMem;
    out.multiprocessors = static_cast<uint32_t>(properties.multiProcessorCount);
    out.architecture = static_cast<uint32_t>(10 * properties.major + properties.minor);
    out.emulated = 0;
}

void Device::enter() {
    check_cuda(cudaSetDevice(static_cast<int>(number_)), "the device cannot be used");
    platform_->computed = platform_->computing = false;
}

void Device::leave() { platform_->mark(); }

void Device::finish() {
    platform_->mark();
    check_cuda(cudaStreamSynchronize(platform_->work), "the device failed");
}

void Device::recover(assay_status status) noexcept {
    settle();
    if (platform_->computed) platform_->timed = false;
    if (status == ASSAY_MEMORY && platform_->pool) cudaMemPoolTrimTo(platform_->pool, 0);
    cudaGetLastError();
}

void Device::settle() noexcept {
    if (platform_->lanes) platform_->lanes->settle();
    if (platform_->copies) cudaStreamSynchronize(platform_->copies);
    if (platform_->work) cudaStreamSynchronize(platform_->work);
    cudaGetLastError();
}

uint64_t Device::available() {
    size_t free = 0, total = 0;
    check_cuda(cudaMemGetInfo(&free, &total), "no account of the memory");
    if (platform_->pool) {
        uint64_t reserved = 0, used = 0;
        check_cuda(cudaMemPoolGetAttribute(platform_->pool, cudaMemPoolAttrReservedMemCurrent, &reserved), "no account of the pool");
        check_cuda(cudaMemPoolGetAttribute(platform_->pool, cudaMemPoolAttrUsedMemCurrent, &used), "no account of the pool");
        free += reserved - std::min(used, reserved);
    }
    free -= std::min<uint64_t>(free, platform_->reserve);
    if (limit_ == 0) return free;
    return std::min<uint64_t>(free, limit_ > used_ ? limit_ - used_ : 0);
}

void *Device::allocate(size_t bytes) {
    if (limit_ && (used_ > limit_ || bytes > limit_ - used_)) throw Failure{ASSAY_MEMORY, "the memory limit is reached", ""};
    void *memory = nullptr;
    if (platform_->pool) {
        cudaError_t error = cudaMallocFromPoolAsync(&memory, bytes, platform_->pool, platform_->work);
        if (error == cudaErrorMemoryAllocation) {
            // what the pool has may be in pieces that are too small
            cudaGetLastError();
            settle();
            cudaMemPoolTrimTo(platform_->pool, 0);
            error = cudaMallocFromPoolAsync(&memory, bytes, platform_->pool, platform_->work);
        }
        check_cuda(error, "no memory is left");
    } else {
        check_cuda(cudaMalloc(&memory, bytes), "no memory is left");
    }
    used_ += bytes;
    return memory;
}

void Device::release(void *memory, size_t bytes) noexcept {
    // on whatever thread it comes; what was set before is not set again, which would begin to use that device
    cudaSetDevice(static_cast<int>(number_));
    if (platform_->pool) {
        cudaFreeAsync(memory, platform_->work);
    } else {
        cudaFree(memory);
    }
    cudaGetLastError();
    used_ -= bytes;
}

void Device::upload(void *to, const void *from, size_t bytes) {
    platform_->upload(to, from, bytes, platform_->work, static_cast<int>(number_));
}

void Device::download(void *to, const void *from, size_t bytes) {
    platform_->mark();
    if (bytes) {
        auto *const large = platform_->lanes_for(bytes, static_cast<int>(number_));
        const int error = large ? large->download(platform_->work, to, from, bytes) : cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, platform_->work);
        check_cuda(static_cast<cudaError_t>(error), "copying from the device failed");
    }
    check_cuda(cudaStreamSynchronize(platform_->work), "the device failed");
}

void Device::zero(void *memory, size_t bytes) {
    if (bytes) check_cuda(cudaMemsetAsync(memory, 0, bytes, platform_->work), "clearing memory failed");
}

void Device::consumed(unsigned slot) { check_cuda(cudaEventRecord(platform_->consumed[slot], platform_->work), "no event"); }

void Device::stage_begin(unsigned slot) { check_cuda(cudaStreamWaitEvent(platform_->copies, platform_->consumed[slot], 0), "no event"); }

void Device::stage(void *to, const void *from, size_t bytes) {
    platform_->upload(to, from, bytes, platform_->copies, static_cast<int>(number_));
}

void Device::staged(unsigned slot) {
    check_cuda(cudaEventRecord(platform_->staged[slot], platform_->copies), "no event");
    check_cuda(cudaStreamWaitEvent(platform_->work, platform_->staged[slot], 0), "no event");
}

void *Device::queue() const { return platform_->work; }

void Device::computes() {
    Platform &platform = *platform_;
    if (!platform.computed) {
        check_cuda(cudaEventRecord(platform.first, platform.work), "no event");
        platform.computed = true;
        platform.timed = false;
    }
    platform.computing = true;
}

double Device::seconds() noexcept {
    float milliseconds = 0;
    if (!platform_->timed || cudaSetDevice(static_cast<int>(number_)) != cudaSuccess || cudaEventSynchronize(platform_->last) != cudaSuccess ||
        cudaEventElapsedTime(&milliseconds, platform_->first, platform_->last) != cudaSuccess) {
        cudaGetLastError();
        return 0;
    }
    return milliseconds / 1e3;
}

} // namespace assay
