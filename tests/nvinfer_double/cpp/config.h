// How to build: flags, devices, memory.
#pragma once
#include "network.h"

#include <cstring>
#include <map>

namespace nvinfer1
{

struct TimingState
{
    std::string bytes;
    IHostMemory* serialize() const
    {
        return new Memory(bytes);
    }
    bool combine(ITimingCache const&, bool)
    {
        return true;
    }
    bool reset()
    {
        bytes.clear();
        return true;
    }
};

struct Timing final : ITimingCache
{
    TimingState state;
    TimingCacheAdaptor<TimingState> adaptor{state};
    Life life{"ITimingCache"};
    explicit Timing(std::string bytes) : state{std::move(bytes)}
    {
        mImpl = &adaptor;
    }
};

struct ConfigState
{
    Log log;
    Life life;
    BuilderFlags flags{0};
    int32_t core{-1};
    DeviceType standard{DeviceType::kGPU};
    std::map<ILayer const*, DeviceType> devices;
    std::map<int32_t, std::size_t> pools;
    ITimingCache const* timing{nullptr};

    ConfigState(Log to, uint64_t builder) : log(to), life("IBuilderConfig", builder) {}

    void setFlag(BuilderFlag flag)
    {
        flags |= 1U << static_cast<uint32_t>(flag);
    }
    void clearFlag(BuilderFlag flag)
    {
        flags &= ~(1U << static_cast<uint32_t>(flag));
    }
    bool getFlag(BuilderFlag flag) const
    {
        return (flags >> static_cast<uint32_t>(flag) & 1U) != 0;
    }
    void setFlags(BuilderFlags to)
    {
        flags = to;
    }
    BuilderFlags getFlags() const
    {
        return flags;
    }
    void setDefaultDeviceType(DeviceType type)
    {
        standard = type;
    }
    DeviceType getDefaultDeviceType() const
    {
        return standard;
    }
    // Documented to do nothing where there is no DLA.
    void setDLACore(int32_t to)
    {
        int32_t const cores = double_dla_cores();
        if (cores > 0 && (to < 0 || to >= cores))
        {
            violation("DLA core " + std::to_string(to) + " of " + std::to_string(cores) + " in a builder config");
        }
        core = cores > 0 ? to : -1;
    }
    int32_t getDLACore() const
    {
        return core;
    }
    void setDeviceType(ILayer const* layer, DeviceType type)
    {
        devices[layer] = type;
    }
    DeviceType getDeviceType(ILayer const* layer) const
    {
        auto const found = devices.find(layer);
        return found == devices.end() ? standard : found->second;
    }
    bool isDeviceTypeSet(ILayer const* layer) const
    {
        return devices.count(layer) != 0;
    }
    bool canRunOnDLA(ILayer const* layer) const
    {
        Record const& record = recordOf(layer);
        return record.onDla() && !double_dla_refuses(record.getName());
    }
    // What NvInfer.h says of the pools of a DLA: powers of two of at least 4 KiB.
    void setMemoryPool(int32_t pool, std::size_t bytes)
    {
        if (pool != 0 && pool <= 3 && (bytes < 4096 || (bytes & (bytes - 1)) != 0))
        {
            violation("DLA memory pool " + std::to_string(pool) + " of " + std::to_string(bytes) + " bytes is no power of two");
        }
        pools[pool] = bytes;
    }
#if DOUBLE_AT_LEAST(8, 4)
    void setMemoryPoolLimit(MemoryPoolType pool, std::size_t bytes)
    {
        setMemoryPool(static_cast<int32_t>(pool), bytes);
    }
#else
    void setMaxWorkspaceSize(std::size_t bytes)
    {
        setMemoryPool(0, bytes);
    }
#endif
    ITimingCache* createTimingCache(void const* data, std::size_t size) const
    {
        std::string bytes(static_cast<char const*>(data), data == nullptr ? 0 : size);
        bool const ours = bytes.empty() || bytes.rfind("timing", 0) == 0;
        if (!ours)
        {
            log.error("the timing cache is not of this library");
        }
        return ours ? new Timing(bytes) : nullptr;
    }
    bool setTimingCache(ITimingCache const& cache, bool)
    {
        timing = &cache;
        return true;
    }
    ITimingCache const* getTimingCache() const
    {
        return timing;
    }
    PROPERTY(int32_t, BuilderOptimizationLevel, 3)
#if DOUBLE_AT_LEAST(10, 0)
    PROPERTY(IProgressMonitor*, ProgressMonitor, nullptr)
#endif
};

struct Config final : IBuilderConfig
{
    ConfigState state;
    BuilderConfigAdaptor<ConfigState> adaptor{state};
    Config(Log log, uint64_t builder) : state(log, builder)
    {
        mImpl = &adaptor;
    }
};

} // namespace nvinfer1
