// The sort on a device: the toolkit's own radix sort.

#include <cub/device/device_radix_sort.cuh>

#include "platform.cuh"

namespace assay {

namespace {

cudaError_t sort(void *extra, size_t &bytes, Sortable &pairs, uint64_t count, unsigned bits, cudaStream_t stream) {
    cub::DoubleBuffer<uint32_t> keys(pairs.keys[pairs.current], pairs.keys[pairs.current ^ 1]);
    cub::DoubleBuffer<uint32_t> values(pairs.values[pairs.current], pairs.values[pairs.current ^ 1]);
    const cudaError_t error = cub::DeviceRadixSort::SortPairs(extra, bytes, keys, values, static_cast<int64_t>(count), 0, static_cast<int>(bits), stream);
    pairs.current ^= static_cast<unsigned>(keys.selector);
    return error;
}

void check(cudaError_t error) {
    if (error != cudaSuccess) throw Failure{ASSAY_DEVICE, "sorting failed", cudaGetErrorString(error)};
}

} // namespace

size_t sort_bytes(uint64_t count, unsigned bits) {
    size_t bytes = 0;
    Sortable none = {};
    check(sort(nullptr, bytes, none, count, bits, nullptr));
    return bytes;
}

void sort_pairs(Device &device, Sortable &pairs, uint64_t count, unsigned bits, void *extra, size_t extra_bytes) {
    check(sort(extra, extra_bytes, pairs, count, bits, static_cast<cudaStream_t>(device.queue())));
}

} // namespace assay
