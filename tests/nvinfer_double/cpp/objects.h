// What every object of the double has: an identity whose life is watched, and a way to complain.
#pragma once
#include "bridge.h"

#include <NvInfer.h>
#include <adaptors.h>
#include <cstdio>
#include <string>

#ifdef TRT_MAJOR_RTX
// It has all that TensorRT 10 has, and numbers of its own.
#define DOUBLE_WEAK_TYPES 0
#define DOUBLE_AT_LEAST(major, minor) 1
#else
#define DOUBLE_WEAK_TYPES (NV_TENSORRT_MAJOR < 11)
#define DOUBLE_AT_LEAST(major, minor) (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR >= (major) * 100 + (minor))
#endif

// Declares what a property's setter and getter do where nothing else happens.
#define PROPERTY(Type, Name, start)                                                                                    \
    Type value##Name = start;                                                                                          \
    void set##Name(Type to)                                                                                            \
    {                                                                                                                  \
        value##Name = to;                                                                                              \
    }                                                                                                                  \
    Type get##Name() const                                                                                             \
    {                                                                                                                  \
        return value##Name;                                                                                            \
    }

namespace nvinfer1
{

class Life
{
public:
    explicit Life(char const* kind, uint64_t parent = 0) : mId(double_born(kind, parent)) {}
    Life(Life const&) = delete;
    Life& operator=(Life const&) = delete;
    ~Life()
    {
        double_died(mId);
    }
    uint64_t id() const
    {
        return mId;
    }

private:
    uint64_t mId;
};

inline void violation(std::string const& text)
{
    double_violation(text.c_str());
}

inline std::string quoted(std::string const& text)
{
    std::string out = "\"";
    for (char const c : text)
    {
        char escaped[8];
        bool const plain = c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
        std::snprintf(escaped, sizeof(escaped), plain ? "%c" : "\\u%04x", static_cast<unsigned char>(c));
        out += escaped;
    }
    return out + "\"";
}

// Where the library complains: the program's logger, which therefore has to live as long as the object.
class Log
{
public:
    explicit Log(void* logger) : mLogger(static_cast<ILogger*>(logger)) {}
    void error(std::string const& text) const
    {
        mLogger->log(ILogger::Severity::kERROR, text.c_str());
    }
    void warning(std::string const& text) const
    {
        mLogger->log(ILogger::Severity::kWARNING, text.c_str());
    }
    ILogger* get() const
    {
        return mLogger;
    }

private:
    ILogger* mLogger;
};

struct MemoryState
{
    std::string bytes;
    void* data() const
    {
        return const_cast<char*>(bytes.data());
    }
    std::size_t size() const
    {
        return bytes.size();
    }
    DataType type() const
    {
        return DataType::kINT8;
    }
};

struct Memory final : IHostMemory
{
    MemoryState state;
    HostMemoryAdaptor<MemoryState> adaptor{state};
    Life life{"IHostMemory"};
    explicit Memory(std::string bytes) : state{std::move(bytes)}
    {
        mImpl = &adaptor;
    }
};

} // namespace nvinfer1
