// Copies in lanes, on queues that do nothing until somebody waits, and then one thing at a time in any order that they allow.

#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "../src/lanes.h"
#include "support.h"

namespace tests {

namespace {

struct LazyQueue {
    // Each returns false while it has to wait.
    std::list<std::function<bool()>> work;
};

struct LazyEvent {
    uint64_t recorded = 0;
    uint64_t happened = 0;
};

std::mutex guard;
std::list<LazyQueue> queues;
std::list<LazyEvent> events;
Random order(9);

// One piece of work of some queue.
void advance() {
    auto queue = queues.begin();
    std::advance(queue, static_cast<long>(order.word() % queues.size()));
    if (!queue->work.empty() && queue->work.front()()) queue->work.pop_front();
}

struct LazyApi {
    using Queue = LazyQueue *;
    using Event = LazyEvent *;

    int enter() const { return 0; }
    static int make_queue(Queue &queue) { return queue = &queues.emplace_back(), 0; }
    static int make_event(Event &event) { return event = &events.emplace_back(), 0; }
    static int make_memory(void *&memory, size_t bytes) { return memory = std::malloc(bytes), 0; }
    static void free_queue(Queue) {}
    static void free_event(Event) {}
    static void free_memory(void *memory) { std::free(memory); }

    static int record(Event event, Queue queue) {
        const std::lock_guard<std::mutex> lock(guard);
        const uint64_t number = ++event->recorded;
        queue->work.push_back([=] { return event->happened = number, true; });
        return 0;
    }
    static int wait(Queue queue, Event event) {
        const std::lock_guard<std::mutex> lock(guard);
        const uint64_t number = event->recorded;
        queue->work.push_back([=] { return event->happened >= number; });
        return 0;
    }
    static int wait_here(Event event) {
        const std::lock_guard<std::mutex> lock(guard);
        for (const uint64_t number = event->recorded; event->happened < number;) advance();
        return 0;
    }
    static int copy(void *to, const void *from, size_t bytes, Queue queue) {
        const std::lock_guard<std::mutex> lock(guard);
        queue->work.push_back([=] { return std::memcpy(to, from, bytes), true; });
        return 0;
    }
    static int copy_up(void *to, const void *from, size_t bytes, Queue queue) { return copy(to, from, bytes, queue); }
    static int copy_down(void *to, const void *from, size_t bytes, Queue queue) { return copy(to, from, bytes, queue); }
    static void settle(Queue queue) {
        const std::lock_guard<std::mutex> lock(guard);
        while (queue && !queue->work.empty()) advance();
    }
};

} // namespace

void lanes() {
    Random random(4);
    Lanes<LazyApi, 1000> lanes{LazyApi()};
    CHECK(lanes.make() == 0);
    LazyApi::Queue queue;
    LazyApi::make_queue(queue);
    for (size_t len : {1, 999, 1000, 1001, 4000, 7999, 8000, 8001, 12345, 100000}) {
        for (int round = 0; round < 3; ++round) {
            std::vector<char> here(len), there(len, 1), between(len, 2), back(len, 3);
            for (char &c : here) c = static_cast<char>(random.word());
            const std::vector<char> wanted = here;
            CHECK(lanes.upload(queue, there.data(), here.data(), len) == 0);
            // may be used for anything else from here on
            std::fill(here.begin(), here.end(), 4);
            // work that comes after the upload, and before the download
            LazyApi::copy(between.data(), there.data(), len, queue);
            CHECK(lanes.download(queue, back.data(), between.data(), len) == 0);
            CHECK(back == wanted);
            lanes.settle();
            LazyApi::settle(queue);
        }
    }
}

} // namespace tests
