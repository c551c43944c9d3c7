// Plan files to engines to executions.
#pragma once
#include "builder.h"

namespace nvinfer1
{

// Ports of the engine, by index and by name.
struct EngineState
{
    Log log;
    Life life;
    void* engine;

    EngineState(Log to, uint64_t runtime, void* made) : log(to), life("ICudaEngine", runtime), engine(made) {}
    ~EngineState()
    {
        double_engine_free(engine);
    }

    DoublePort port(int32_t index) const
    {
        DoublePort port{};
        if (!double_engine_port(engine, index, &port))
        {
            violation("port " + std::to_string(index) + " of an engine with " + std::to_string(double_engine_ports(engine)));
        }
        return port;
    }
    int32_t find(char const* name) const
    {
        for (int32_t i = 0; i < double_engine_ports(engine); ++i)
        {
            if (std::strcmp(port(i).name, name) == 0)
            {
                return i;
            }
        }
        return -1;
    }
    DoublePort port(char const* name) const
    {
        return port(find(name));
    }
    static Dims dims(DoublePort const& port)
    {
        Dims dims{};
        dims.nbDims = port.rank;
        for (int32_t i = 0; i < port.rank; ++i)
        {
            dims.d[i] = port.shape[i];
        }
        return dims;
    }

#if DOUBLE_AT_LEAST(8, 5)
    int32_t getNbIOTensors() const
    {
        return double_engine_ports(engine);
    }
    char const* getIOTensorName(int32_t index) const
    {
        return port(index).name;
    }
    TensorIOMode getTensorIOMode(char const* name) const
    {
        return port(name).input != 0 ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
    }
    DataType getTensorDataType(char const* name) const
    {
        return static_cast<DataType>(port(name).type);
    }
    TensorFormat getTensorFormat(char const* name) const
    {
        return static_cast<TensorFormat>(port(name).format);
    }
    Dims getTensorShape(char const* name) const
    {
        return dims(port(name));
    }
#else
    int32_t getNbBindings() const
    {
        return double_engine_ports(engine);
    }
    char const* getBindingName(int32_t index) const
    {
        return port(index).name;
    }
    bool bindingIsInput(int32_t index) const
    {
        return port(index).input != 0;
    }
    DataType getBindingDataType(int32_t index) const
    {
        return static_cast<DataType>(port(index).type);
    }
    TensorFormat getBindingFormat(int32_t index) const
    {
        return static_cast<TensorFormat>(port(index).format);
    }
    Dims getBindingDimensions(int32_t index) const
    {
        return dims(port(index));
    }
#endif
    IExecutionContext* createExecutionContext();
    // Later versions say how its memory is allocated.
    template <class Strategy>
    IExecutionContext* createExecutionContext(Strategy)
    {
        return createExecutionContext();
    }
};

struct Engine final : ICudaEngine
{
    EngineState state;
    CudaEngineAdaptor<EngineState> adaptor{state};
    Engine(Log log, uint64_t runtime, void* made) : state(log, runtime, made)
    {
        mImpl = &adaptor;
    }
};

struct ContextState
{
    EngineState const& engine;
    Life life{"IExecutionContext", engine.life.id()};
    std::vector<void*> addresses = std::vector<void*>(double_engine_ports(engine.engine));

#if DOUBLE_AT_LEAST(8, 5)
    bool setTensorAddress(char const* name, void* address)
    {
        int32_t const index = engine.find(name);
        if (index < 0)
        {
            engine.log.error(std::string("setTensorAddress: there is no tensor '") + name + "'");
            return false;
        }
        addresses[index] = address;
        return true;
    }
    bool enqueueV3(cudaStream_t stream)
    {
        return enqueue(addresses.data(), stream);
    }
#else
    bool enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t*)
    {
        return enqueue(bindings, stream);
    }
#endif

private:
    bool enqueue(void* const* bindings, cudaStream_t stream) const
    {
        char message[512] = "";
        bool const started = double_enqueue(engine.engine, bindings, stream, message, sizeof(message));
        if (!started)
        {
            engine.log.error(message);
        }
        return started;
    }
};

struct Context final : IExecutionContext
{
    ContextState state;
    ExecutionContextAdaptor<ContextState> adaptor{state};
    explicit Context(EngineState const& engine) : state{engine}
    {
        mImpl = &adaptor;
    }
};

inline IExecutionContext* EngineState::createExecutionContext()
{
    return new Context(*this);
}

struct RuntimeState
{
    Log log;
    Life life{"IRuntime"};
    int32_t core{-1};

    int32_t getNbDLACores() const
    {
        return double_dla_cores();
    }
    void setDLACore(int32_t to)
    {
        int32_t const cores = double_dla_cores();
        if (cores > 0 && (to < 0 || to >= cores))
        {
            violation("DLA core " + std::to_string(to) + " of " + std::to_string(cores) + " in a runtime");
        }
        core = cores > 0 ? to : -1;
    }
    int32_t getDLACore() const
    {
        return core;
    }
    ILogger* getLogger() const
    {
        return log.get();
    }
    ICudaEngine* deserializeCudaEngine(void const* data, std::size_t size)
    {
        char message[512] = "";
        void* const engine = double_engine(data, size, Build::version(), core, message, sizeof(message));
        if (engine == nullptr)
        {
            log.error(message);
            return nullptr;
        }
        return new Engine(log, life.id(), engine);
    }
    // The plug-in factory of 8.0.
    ICudaEngine* deserializeCudaEngine(void const* data, std::size_t size, void*)
    {
        return deserializeCudaEngine(data, size);
    }
};

struct Runtime final : IRuntime
{
    RuntimeState state;
    RuntimeAdaptor<RuntimeState> adaptor{state};
    explicit Runtime(void* logger) : state{Log(logger)}
    {
        mImpl = &adaptor;
    }
};

} // namespace nvinfer1
