// Large copies between ordinary memory and a device: by several threads, in pieces through memory that the device can reach, each thread with a queue of its
// own. The driver's own copy of ordinary memory is one thread's work, and slower than what most devices are connected by.
//
// `Api` is the device's: functions that return 0 or an error, and `enter`, with which a thread begins. Tests have one of their own.

#pragma once

#include <cstddef>
#include <cstring>
#include <thread>

namespace assay {

template <class Api, size_t PIECE> class Lanes {
public:
    using Queue = typename Api::Queue;
    using Event = typename Api::Event;

    // From so many bytes on it is worth the threads.
    static constexpr size_t LEAST = 4 * PIECE;

    explicit Lanes(const Api &api) : api_(api) {}
    Lanes(const Lanes &) = delete;
    Lanes &operator=(const Lanes &) = delete;

    ~Lanes() {
        settle();
        for (Lane &lane : lanes_) {
            for (unsigned turn = 0; turn < DEPTH; ++turn) {
                Api::free_memory(lane.memory[turn]);
                Api::free_event(lane.done[turn]);
            }
            Api::free_event(lane.finished);
            Api::free_queue(lane.queue);
        }
        Api::free_event(start_);
    }

    // To be called once, before anything else; after an error there is nothing to be used.
    int make() {
        int error = Api::make_event(start_);
        for (Lane &lane : lanes_) {
            if (!error) error = Api::make_queue(lane.queue);
            if (!error) error = Api::make_event(lane.finished);
            for (unsigned turn = 0; turn < DEPTH; ++turn) {
                if (!error) error = Api::make_event(lane.done[turn]);
                if (!error) error = Api::make_memory(lane.memory[turn], PIECE);
            }
        }
        return error;
    }

    // After what is in `queue`, and before what comes. `from` is not used any more when this returns.
    int upload(Queue queue, void *to, const void *from, size_t bytes) {
        int error = Api::record(start_, queue);
        char *const there = static_cast<char *>(to);
        const char *const here = static_cast<const char *>(from);
        if (!error) error = parallel([&](Lane &lane, unsigned first) { return upload_pieces(lane, first, there, here, bytes); });
        for (Lane &lane : lanes_) {
            if (!error) error = Api::wait(queue, lane.finished);
        }
        return error;
    }

    // After what is in `queue`. All is there when this returns.
    int download(Queue queue, void *to, const void *from, size_t bytes) {
        char *const here = static_cast<char *>(to);
        const char *const there = static_cast<const char *>(from);
        const int error = Api::record(start_, queue);
        return error ? error : parallel([&](Lane &lane, unsigned first) { return download_pieces(lane, first, here, there, bytes); });
    }

    void settle() noexcept {
        for (Lane &lane : lanes_) Api::settle(lane.queue);
    }

private:
    static constexpr unsigned LANES = 4;
    // Pieces that a lane has under way.
    static constexpr unsigned DEPTH = 2;

    struct Lane {
        Queue queue = {};
        Event finished = {};
        Event done[DEPTH] = {};
        void *memory[DEPTH] = {};
    };

    static size_t length(size_t bytes, size_t place) { return bytes - place < PIECE ? bytes - place : PIECE; }

    int upload_pieces(Lane &lane, unsigned first, char *to, const char *from, size_t bytes) {
        int error = Api::wait(lane.queue, start_);
        unsigned turn = 0;
        for (size_t place = first * PIECE; place < bytes && !error; place += LANES * PIECE, turn ^= 1) {
            const size_t count = length(bytes, place);
            error = Api::wait_here(lane.done[turn]);
            if (error) break;
            std::memcpy(lane.memory[turn], from + place, count);
            error = Api::copy_up(to + place, lane.memory[turn], count, lane.queue);
            if (!error) error = Api::record(lane.done[turn], lane.queue);
        }
        return error ? error : Api::record(lane.finished, lane.queue);
    }

    int download_pieces(Lane &lane, unsigned first, char *to, const char *from, size_t bytes) {
        int error = Api::wait(lane.queue, start_);
        unsigned turn = 0;
        // one piece is copied on while the next is on its way
        const auto take = [&](size_t place, unsigned from_turn) {
            const int failed = Api::wait_here(lane.done[from_turn]);
            if (!failed) std::memcpy(to + place, lane.memory[from_turn], length(bytes, place));
            return failed;
        };
        size_t place = first * PIECE;
        for (; place < bytes && !error; place += LANES * PIECE, turn ^= 1) {
            error = Api::copy_down(lane.memory[turn], from + place, length(bytes, place), lane.queue);
            if (!error) error = Api::record(lane.done[turn], lane.queue);
            if (!error && place >= LANES * PIECE) error = take(place - LANES * PIECE, turn ^ 1);
        }
        if (!error && place >= LANES * PIECE) error = take(place - LANES * PIECE, turn ^ 1);
        return error;
    }

    // `work` for every lane; the first error.
    template <class Work> int parallel(const Work &work) {
        std::thread threads[LANES];
        int errors[LANES] = {};
        const auto run = [&](unsigned i) {
            errors[i] = api_.enter();
            if (!errors[i]) errors[i] = work(lanes_[i], i);
        };
        for (unsigned i = 1; i < LANES; ++i) {
            try {
                threads[i] = std::thread(run, i);
            } catch (...) {
                run(i);
            }
        }
        run(0);
        for (std::thread &thread : threads) {
            if (thread.joinable()) thread.join();
        }
        for (int error : errors) {
            if (error) return error;
        }
        return 0;
    }

    Api api_;
    Lane lanes_[LANES];
    Event start_ = {};
};

} // namespace assay
