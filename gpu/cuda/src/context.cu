// Devices and contexts.

#include <cstring>

#include "context.cuh"

using namespace assay;

char *assay::error_without_context() noexcept {
    thread_local char text[ERROR_BYTES] = "";
    return text;
}

uint32_t assay_abi(void) { return ASSAY_ABI; }

int32_t assay_devices(uint32_t *count) {
    return attempted(error_without_context(), [&] {
        require(count, "a pointer is null");
        *count = 0;
        *count = Device::count();
    });
}

int32_t assay_describe(uint32_t device, assay_device *out) {
    return attempted(error_without_context(), [&] {
        require(out, "a pointer is null");
        require(device < Device::count(), "there is no such device");
        std::memset(out, 0, sizeof *out);
        Device::describe(device, *out);
    });
}

int32_t assay_open(uint32_t device, assay_context **out) {
    return attempted(error_without_context(), [&] {
        require(out, "a pointer is null");
        *out = nullptr;
        require(device < Device::count(), "there is no such device");
        *out = new assay_context{std::make_shared<Context>(device)};
    });
}

void assay_close(assay_context *context) { release(context); }

const char *assay_error(const assay_context *context) { return context ? context->shared->device.error : error_without_context(); }

double assay_seconds(const assay_context *context) { return context ? context->shared->device.seconds() : 0; }

int32_t assay_limit_memory(assay_context *context, uint64_t bytes) {
    return guarded_on(context, [&] { context->shared->device.limit(bytes); });
}
