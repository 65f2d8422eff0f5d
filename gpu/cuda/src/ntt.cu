// The C interface of number-theoretic transforms.

#include "transforms.cuh"

using namespace assay;

namespace {

template <bool FORWARD> int32_t transform(assay_context *handle, uint32_t log, size_t batch, uint64_t *data, const uint64_t *factor) {
    return guarded_on(handle, [&] {
        require(log <= MOST_LOG, "no domain is so large");
        require_pointer(data, batch);
        require(batch <= SIZE_MAX / sizeof(Fr) >> log, "too many vectors");
        if (batch == 0) return;
        Context &context = *handle->shared;
        Device &device = context.device;
        const Fr *table = twiddles(context, log);
        Buffer<Fr> scaling;
        // as many vectors at a time as half of the memory takes
        const uint64_t size = 1ull << log, room = device.available() / 2 / sizeof(Fr) >> log;
        const uint64_t most = std::min<uint64_t>(batch, std::max<uint64_t>(room, 1));
        Buffer<Fr> there(device, most * size);
        for (uint64_t start = 0; start < batch; start += most) {
            const uint64_t count = std::min<uint64_t>(most, batch - start) * size;
            uint64_t *from = data + 4 * start * size;
            there.upload(from, count);
            // no kernel is before the first upload, which then does not count as the device's time
            if (factor && start == 0) scaling = powers(device, log, field_of(factor));
            const Vectors vectors = {device, log, there.data(), count};
            if (FORWARD && factor) vectors.scale(scaling.data());
            vectors.template transform<FORWARD>(table);
            if (!FORWARD && factor) vectors.scale(scaling.data());
            there.download(from, count);
        }
    });
}

} // namespace

int32_t assay_to_coefficients(assay_context *context, uint32_t log, size_t batch, uint64_t *data, const uint64_t *factor) {
    return transform<false>(context, log, batch, data, factor);
}

int32_t assay_to_values(assay_context *context, uint32_t log, size_t batch, uint64_t *data, const uint64_t *factor) {
    return transform<true>(context, log, batch, data, factor);
}
