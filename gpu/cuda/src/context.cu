// Devices and contexts.

#include <cstring>

#include "context.cuh"

using namespace assay;

uint32_t assay_abi(void) { return ASSAY_ABI; }

int32_t assay_devices(uint32_t *count) {
    if (!count) return ASSAY_ARGUMENT;
    *count = Device::count();
    return ASSAY_OK;
}

int32_t assay_describe(uint32_t device, assay_device *out) {
    if (!out || device >= Device::count()) return ASSAY_ARGUMENT;
    std::memset(out, 0, sizeof *out);
    try {
        Device::describe(device, *out);
        return ASSAY_OK;
    } catch (const Failure &failure) {
        return failure.status;
    }
}

int32_t assay_open(uint32_t device, assay_context **out) {
    if (!out || device >= Device::count()) return ASSAY_ARGUMENT;
    *out = nullptr;
    try {
        *out = new assay_context{std::make_shared<Context>(device)};
        return ASSAY_OK;
    } catch (const Failure &failure) {
        return failure.status;
    } catch (const std::bad_alloc &) {
        return ASSAY_MEMORY;
    } catch (...) {
        return ASSAY_DEVICE;
    }
}

void assay_close(assay_context *context) { release(context); }

const char *assay_error(const assay_context *context) { return context ? context->shared->device.error : "there is no context"; }

int32_t assay_limit_memory(assay_context *context, uint64_t bytes) {
    return guarded_on(context, [&] { context->shared->device.limit(bytes); });
}
