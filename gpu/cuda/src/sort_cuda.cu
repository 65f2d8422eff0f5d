// The sort on a device: the toolkit's own radix sort.

#include <cub/device/device_radix_sort.cuh>

#include "launch.cuh"

namespace assay {

namespace {

constexpr const char *FAILED = "sorting failed";

cudaError_t sort(void *extra, size_t &bytes, Sortable &pairs, uint64_t count, unsigned bits, cudaStream_t stream) {
    cub::DoubleBuffer<uint32_t> keys(pairs.keys[pairs.current], pairs.keys[pairs.current ^ 1]);
    cub::DoubleBuffer<uint32_t> values(pairs.values[pairs.current], pairs.values[pairs.current ^ 1]);
    const cudaError_t error = cub::DeviceRadixSort::SortPairs(extra, bytes, keys, values, static_cast<int64_t>(count), 0, static_cast<int>(bits), stream);
    pairs.current ^= static_cast<unsigned>(keys.selector);
    return error;
}

} // namespace

size_t sort_bytes(uint64_t count, unsigned bits) {
    size_t bytes = 0;
    Sortable none = {};
    check_cuda(sort(nullptr, bytes, none, count, bits, nullptr), FAILED);
    return bytes;
}

void sort_pairs(Device &device, Sortable &pairs, uint64_t count, unsigned bits, void *extra, size_t extra_bytes) {
    device.computes();
    check_cuda(sort(extra, extra_bytes, pairs, count, bits, static_cast<cudaStream_t>(device.queue())), FAILED);
}

} // namespace assay
