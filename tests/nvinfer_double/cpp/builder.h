// Building: every rule that TensorRT checks at this point, and those that it should.
#pragma once
#include "config.h"

#include <algorithm>

namespace nvinfer1
{

// One build: `INetworkDefinition` and `IBuilderConfig` in, plan file out.
class Build
{
public:
    Build(Log log, NetworkState const& network, ConfigState const& config) : mLog(log), mNetwork(network), mConfig(config) {}

    IHostMemory* run()
    {
        if (!checkDevices() || !checkTypes() || !checkScales() || !checkShapes() || !checkProgress())
        {
            return nullptr;
        }
        int32_t const core = mDla > 0 ? mConfig.core : -1;
        if (double_build_fails(core))
        {
            return refuse("the double was told to fail the build");
        }
        report();
        Json json;
        json.open(nullptr, '{').field("library", int64_t{double_version(version())});
        json.field("dla", int64_t{mDla > 0}).field("int8", int64_t{implicitInt8()});
        mNetwork.describe(json);
        json.close('}');
        std::string bytes;
        auto const take = [](void* to, void const* data, std::size_t size) {
            static_cast<std::string*>(to)->assign(static_cast<char const*>(data), size);
        };
        double_plan(json.text().data(), json.text().size(), json.weights.data(), json.weights.size(), take, &bytes);
        return bytes.empty() ? nullptr : new Memory(bytes);
    }

    static int32_t version()
    {
        return NV_TENSORRT_MAJOR >= 10 ? NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH
                                       : NV_TENSORRT_MAJOR * 1000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH;
    }

private:
    IHostMemory* refuse(std::string const& text)
    {
        mLog.error(text);
        return nullptr;
    }

    bool checkDevices()
    {
        bool const fallback = mConfig.getFlag(BuilderFlag::kGPU_FALLBACK);
        for (ILayer* layer : mNetwork.layers)
        {
            if (mConfig.getDeviceType(layer) != DeviceType::kDLA)
            {
                ++mGpu;
            }
            else if (onDla(layer))
            {
                ++mDla;
            }
            else if (fallback)
            {
                mLog.warning(std::string("Layer '") + layer->getName() + "' runs on the GPU: the DLA does not support it.");
                ++mGpu;
                ++mFallen;
            }
            else
            {
                return refuse(std::string("Layer '") + layer->getName()
                           + "' is not supported on the DLA, and GPU fallback is not enabled.")
                    != nullptr;
            }
        }
        if (fallback && mDla + mFallen == 0)
        {
            violation("GPU fallback is enabled for an engine with nothing on the DLA");
        }
        if (mDla == 0)
        {
            return true;
        }
        if (double_dla_cores() == 0)
        {
            return refuse("there is no DLA in this machine") != nullptr;
        }
        if (mConfig.core < 0)
        {
            violation("a DLA engine is built before its core is set");
        }
        return mConfig.core >= 0;
    }

    bool onDla(ILayer const* layer) const
    {
        return mConfig.getDeviceType(layer) == DeviceType::kDLA && mConfig.canRunOnDLA(layer);
    }

    // Ranges say what is INT8, where networks are not strongly typed.
    bool implicitInt8() const
    {
#if DOUBLE_WEAK_TYPES
        return mConfig.getFlag(BuilderFlag::kINT8);
#else
        return false;
#endif
    }

    // What the DLA's documentation says of INT8: "scales must be equal" for these.
    bool checkScales()
    {
        for (std::size_t i = 0; implicitInt8() && i < mNetwork.records.size(); ++i)
        {
            Record const* const record = mNetwork.records[i];
            if (!onDla(mNetwork.layers[i]))
            {
                continue;
            }
            std::vector<std::optional<float>> ranges;
            for (ITensor* input : record->inputs)
            {
                ranges.push_back(stateOf(*input).range);
            }
            bool const output = record->kind == LayerType::kPOOLING || record->kind == LayerType::kCONCATENATION;
            if (output)
            {
                ranges.push_back(stateOf(*record->out).range);
            }
            bool const all = output || record->kind == LayerType::kELEMENTWISE;
            if (all && std::any_of(ranges.begin(), ranges.end(), [&](auto const& range) { return range != ranges.front(); }))
            {
                return refuse(std::string("INT8 on the DLA: layer '") + record->getName() + "' needs equal scales") != nullptr;
            }
        }
        return true;
    }

    // A DLA computes in FP16 or INT8 and has no FP32.
    bool checkTypes()
    {
#if DOUBLE_WEAK_TYPES
        bool const int8 = implicitInt8();
        if (mDla > 0 && !int8 && !mConfig.getFlag(BuilderFlag::kFP16))
        {
            return refuse("the DLA needs FP16 or INT8, and neither is enabled") != nullptr;
        }
        for (auto const& tensor : mNetwork.tensors)
        {
            TensorState const& state = tensor->state;
            bool const constant = state.producer != nullptr && state.producer->kind == LayerType::kCONSTANT;
            if (mDla > 0 && int8 && !constant && !state.range.has_value())
            {
                return refuse("INT8 on the DLA: tensor '" + state.name + "' has no dynamic range") != nullptr;
            }
        }
#else
        for (std::size_t i = 0; i < mNetwork.records.size(); ++i)
        {
            Record const* const record = mNetwork.records[i];
            bool const dla = onDla(mNetwork.layers[i]) && record->kind != LayerType::kCONSTANT;
            if (dla && record->getOutputType(0) == DataType::kFLOAT)
            {
                return refuse(std::string("Layer '") + record->getName() + "' computes in FP32, which the DLA lacks") != nullptr;
            }
        }
#endif
        return true;
    }

    bool checkShapes()
    {
        if (mNetwork.outputs.empty())
        {
            return refuse("the network has no output") != nullptr;
        }
        for (auto const& tensor : mNetwork.tensors)
        {
            Dims const dims = tensor->getDimensions();
            for (int32_t i = 0; i < dims.nbDims; ++i)
            {
                if (dims.d[i] <= 0)
                {
                    std::string const text = "tensor '" + tensor->state.name + "' has no fixed shape";
                    if (mDla > 0)
                    {
                        violation(text + ", and is to run on a DLA");
                    }
                    return refuse(text) != nullptr;
                }
            }
            if (mDla > 0 && dims.nbDims > 0 && dims.d[0] > 4096)
            {
                return refuse("the DLA takes batches of at most 4096") != nullptr;
            }
        }
        return true;
    }

    bool checkProgress()
    {
        bool go = true;
#if DOUBLE_AT_LEAST(10, 0)
        IProgressMonitor* const monitor = mConfig.valueProgressMonitor;
        int32_t const steps = mNetwork.getNbLayers();
        if (monitor != nullptr)
        {
            monitor->phaseStart("Building Engine", nullptr, steps);
        }
        for (int32_t step = 0; go && step < steps; ++step)
        {
            waitMilliseconds(double_build_delay());
            go = monitor == nullptr || monitor->stepComplete("Building Engine", step);
        }
        if (monitor != nullptr)
        {
            monitor->phaseFinish("Building Engine");
        }
        if (!go)
        {
            mLog.error("the build was cancelled");
        }
#else
        waitMilliseconds(double_build_delay() * mNetwork.getNbLayers());
#endif
        return go;
    }

    static void waitMilliseconds(int32_t milliseconds);

    // Ports of a DLA engine in another layout than the DLA's are converted by the GPU at the boundary.
    int64_t reformats() const
    {
        auto const foreign = [&](ITensor* port) {
            TensorFormats const own = 1U << static_cast<uint32_t>(TensorFormat::kCHW16)
                | 1U << static_cast<uint32_t>(TensorFormat::kCHW32) | 1U << static_cast<uint32_t>(TensorFormat::kDLA_LINEAR)
                | 1U << static_cast<uint32_t>(TensorFormat::kDLA_HWC4);
            return (port->getAllowedFormats() & own) == 0;
        };
        int64_t count = 0;
        for (auto const* list : {&mNetwork.inputs, &mNetwork.outputs})
        {
            for (ITensor* port : *list)
            {
                count += mDla > 0 && foreign(port) ? 1 : 0;
            }
        }
        return count;
    }

    void report() const
    {
        Json json;
        int64_t const core = mDla > 0 ? mConfig.core : -1;
        json.open(nullptr, '{').field("event", std::string("build")).field("core", core);
        json.field("network", mNetwork.name).field("layers", int64_t{mNetwork.getNbLayers()});
        json.field("on_gpu", int64_t{mGpu}).field("fallen", int64_t{mFallen}).field("reformats", reformats());
        json.field("fallback", int64_t{mConfig.getFlag(BuilderFlag::kGPU_FALLBACK)});
        json.field("strong", int64_t{mNetwork.strong}).field("level", int64_t{mConfig.valueBuilderOptimizationLevel});
        json.field("timing_cache", int64_t{mConfig.timing != nullptr});
        for (char const* key : {"inputs", "outputs"})
        {
            json.open(key, '[');
            for (ITensor* port : key[0] == 'i' ? mNetwork.inputs : mNetwork.outputs)
            {
                json.open(nullptr, '[').field(nullptr, static_cast<int64_t>(port->getType()));
                json.field(nullptr, static_cast<int64_t>(port->getAllowedFormats())).close(']');
            }
            json.close(']');
        }
        json.open("pools", '{');
        for (auto const& [pool, bytes] : mConfig.pools)
        {
            json.field(std::to_string(pool).c_str(), static_cast<int64_t>(bytes));
        }
        json.close('}').close('}');
        double_event(json.text().c_str());
    }

    Log mLog;
    NetworkState const& mNetwork;
    ConfigState const& mConfig;
    int32_t mDla{0};
    int32_t mGpu{0};
    int32_t mFallen{0};
};

struct BuilderState
{
    Log log;
    Life life{"IBuilder"};

    int32_t getNbDLACores() const
    {
        return double_dla_cores();
    }
    int32_t getMaxDLABatchSize() const
    {
        return 4096;
    }
    ILogger* getLogger() const
    {
        return log.get();
    }
    INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags)
    {
#if NV_TENSORRT_MAJOR == 8
        if ((flags & 1U) == 0)
        {
            violation("a network without an explicit batch");
        }
        bool const strong = false;
#else
        bool const asked = (flags >> static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED) & 1U) != 0;
        bool const strong = asked || !DOUBLE_WEAK_TYPES;
#endif
        return new Network(log, life.id(), strong);
    }
    IBuilderConfig* createBuilderConfig()
    {
        return new Config(log, life.id());
    }
    IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config)
    {
        return Build(log, static_cast<Network&>(network).state, static_cast<Config&>(config).state).run();
    }
};

struct Builder final : IBuilder
{
    BuilderState state;
    BuilderAdaptor<BuilderState> adaptor{state};
    explicit Builder(void* logger) : state{Log(logger)}
    {
        mImpl = &adaptor;
    }
};

} // namespace nvinfer1
