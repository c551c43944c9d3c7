// What the Rust side of the double offers the C++ side (src/bridge.rs).
#pragma once
#include <cstddef>
#include <cstdint>

extern "C"
{
    // An object of TensorRT that the program holds; it has to die before `parent` does. 0 is no parent.
    uint64_t double_born(char const* kind, uint64_t parent) noexcept;
    void double_died(uint64_t id) noexcept;
    // A call that TensorRT forbids. The test fails.
    void double_violation(char const* text) noexcept;
    // One line of the journal: a JSON object.
    void double_event(char const* json) noexcept;
    // The end of the process: what is still alive is leaked.
    void double_end() noexcept;
    int32_t double_dla_cores() noexcept;
    // The version that the library claims to be, `compiled` unless a fault says otherwise.
    int32_t double_version(int32_t compiled) noexcept;
    // Whether a fault makes the DLA refuse this layer.
    bool double_dla_refuses(char const* layer) noexcept;
    // By what a fault multiplies the range of a layer's output or of an input; 0 forgets it.
    float double_range_factor(char const* layer) noexcept;
    // Whether a fault makes the build of an engine for `core` (-1 is the GPU) fail.
    bool double_build_fails(int32_t core) noexcept;
    // Milliseconds that each step of a build takes longer.
    int32_t double_build_delay() noexcept;

    // A plan file of the network that `json` describes, whose weights are `weights`: handed to `take` in one piece.
    void double_plan(char const* json, std::size_t length, float const* weights, std::size_t count,
        void (*take)(void* to, void const* data, std::size_t size), void* to) noexcept;

    // An engine of a plan file, on a DLA core or (-1) the GPU; null and a message when it is no plan of this library.
    void* double_engine(void const* data, std::size_t size, int32_t library, int32_t core, char* message,
        std::size_t room) noexcept;
    void double_engine_free(void* engine) noexcept;
    int32_t double_engine_ports(void* engine) noexcept;

    struct DoublePort
    {
        char const* name;
        int32_t input;
        int32_t type;
        int32_t format;
        int32_t rank;
        int64_t shape[8];
    };
    bool double_engine_port(void* engine, int32_t index, DoublePort* port) noexcept;
    // Starts one execution; false and a message when a buffer is missing, unknown or too small.
    bool double_enqueue(void* engine, void* const* addresses, void* stream, char* message, std::size_t room) noexcept;
}
