// What the library's entry points make.
#include "runtime.h"

#include <chrono>
#include <cstdlib>
#include <thread>

[[noreturn]] void unknownCall(char const* name) noexcept
{
    double_violation((std::string(name) + " is not known to the double").c_str());
    std::abort();
}

namespace nvinfer1
{

void Build::waitMilliseconds(int32_t milliseconds)
{
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

namespace
{

struct End
{
    ~End()
    {
        double_end();
    }
} const end;

// The version that the caller's headers have must be this library's major version.
bool accepts(void* logger, int32_t version)
{
    int32_t const own = double_version(Build::version());
    auto const major = [](int32_t v) { return v >= 100000 ? v / 10000 : v / 1000 >= 10 && v < 100000 ? v / 10000 : v / 1000; };
    bool const fits = major(version) == major(own);
    if (!fits)
    {
        Log(logger).error("compiled for version " + std::to_string(version) + ", this library is " + std::to_string(own));
    }
    return fits;
}

} // namespace
} // namespace nvinfer1

// The entry points themselves are Rust's (src/entry.rs): a Rust library exports nothing else.
extern "C"
{
    void* double_builder(void* logger, int32_t version) noexcept
    {
        return nvinfer1::accepts(logger, version) ? static_cast<nvinfer1::IBuilder*>(new nvinfer1::Builder(logger)) : nullptr;
    }
    void* double_runtime(void* logger, int32_t version) noexcept
    {
        return nvinfer1::accepts(logger, version) ? static_cast<nvinfer1::IRuntime*>(new nvinfer1::Runtime(logger)) : nullptr;
    }
    int32_t double_library_version() noexcept
    {
        return double_version(nvinfer1::Build::version());
    }
}
