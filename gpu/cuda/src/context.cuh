// What a context is behind the C interface, and the way into every function of it.

#pragma once

#include <cstdio>
#include <memory>
#include <new>

#include "field.cuh"
#include "platform.cuh"

namespace assay {

// Everything that is made in a context shares it: it ends with the last of them.
struct Context {
    explicit Context(uint32_t device) : device(device) {}

    Device device;
    // See ntt.cu; as far as transforms needed them yet.
    Buffer<Fr> twiddles;
};

using Shared = std::shared_ptr<Context>;

// Runs `work`; no exception leaves it. After a failure nothing is under way any more, so that no copy can still touch the caller's memory.
template <class Work> int32_t guarded(Context *context, Work &&work) noexcept {
    if (!context) return ASSAY_ARGUMENT;
    Failure failure = {ASSAY_DEVICE, "an unknown failure", ""};
    try {
        context->device.enter();
        work();
        return ASSAY_OK;
    } catch (const Failure &caught) {
        failure = caught;
    } catch (const std::bad_alloc &) {
        failure = {ASSAY_MEMORY, "the host has too little memory", ""};
    } catch (...) {
    }
    context->device.settle();
    const bool detailed = failure.detail[0] != 0;
    std::snprintf(context->device.error, sizeof context->device.error, "%s%s%s", failure.what, detailed ? ": " : "", failure.detail);
    return failure.status;
}

// `guarded` for handles, which have their context in `shared`.
template <class Handle, class Work> int32_t guarded_on(Handle *handle, Work &&work) noexcept {
    return handle ? guarded(handle->shared.get(), std::forward<Work>(work)) : static_cast<int32_t>(ASSAY_ARGUMENT);
}

template <class Handle> void release(Handle *handle) noexcept {
    if (!handle) return;
    const Shared kept = handle->shared;
    delete handle;
}

inline void require_pointer(const void *pointer, uint64_t count) { require(pointer || count == 0, "a pointer is null"); }

inline Fr field_of(const uint64_t words[4]) {
    Fr out;
    for (int i = 0; i < 8; ++i) out.words[i] = static_cast<uint32_t>(words[i / 2] >> (32 * (i % 2)));
    return out;
}

} // namespace assay

struct assay_context {
    assay::Shared shared;
};
