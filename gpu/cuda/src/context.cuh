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

// What failed last on this thread in a call without a context: ERROR_BYTES of text.
char *error_without_context() noexcept;

// Runs `work`, and writes into `error` what failed; no exception leaves it.
template <class Work> assay_status attempted(char *error, Work &&work) noexcept {
    Failure failure = {ASSAY_DEVICE, "an unknown failure", ""};
    try {
        work();
        return ASSAY_OK;
    } catch (const Failure &caught) {
        failure = caught;
    } catch (const std::bad_alloc &) {
        failure = {ASSAY_MEMORY, "the host has too little memory", ""};
    } catch (...) {
    }
    std::snprintf(error, ERROR_BYTES, "%s%s%s", failure.what, failure.detail[0] ? ": " : "", failure.detail);
    return failure.status;
}

// Runs `work` on a handle, which has its context in `shared`. After a failure nothing is under way any more, so that no copy can still touch the caller's memory.
template <class Handle, class Work> int32_t guarded_on(Handle *handle, Work &&work) noexcept {
    if (!handle) return attempted(error_without_context(), [] { refuse("a handle is null"); });
    Device &device = handle->shared->device;
    const assay_status status = attempted(device.error, [&] {
        device.enter();
        work();
        device.leave();
    });
    if (status != ASSAY_OK) device.recover(status);
    return status;
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
