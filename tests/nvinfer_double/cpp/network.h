// A network under construction: owns its tensors and layers, and describes itself to the Rust side.
#pragma once
#include "layers.h"

namespace nvinfer1
{

struct NetworkState
{
    Log log;
    Life life;
    bool strong;
    std::string name;
    std::vector<std::unique_ptr<Tensor>> tensors;
    // Of many types: each knows how to delete itself.
    std::vector<std::shared_ptr<void>> owned;
    std::vector<Record*> records;
    std::vector<ILayer*> layers;
    std::vector<ITensor*> inputs;
    std::vector<ITensor*> outputs;

    NetworkState(Log to, uint64_t builder, bool stronglyTyped) : log(to), life("INetworkDefinition", builder), strong(stronglyTyped) {}

    void setName(char const* to)
    {
        name = to;
    }
    char const* getName() const
    {
        return name.c_str();
    }
    int32_t getNbLayers() const
    {
        return static_cast<int32_t>(layers.size());
    }
    ILayer* getLayer(int32_t index) const
    {
        return layers.at(index);
    }
    int32_t getNbInputs() const
    {
        return static_cast<int32_t>(inputs.size());
    }
    ITensor* getInput(int32_t index) const
    {
        return inputs.at(index);
    }
    int32_t getNbOutputs() const
    {
        return static_cast<int32_t>(outputs.size());
    }
    ITensor* getOutput(int32_t index) const
    {
        return outputs.at(index);
    }

    ITensor* addInput(char const* called, DataType type, Dims const& dims)
    {
        Tensor& made = tensor(nullptr, called);
        made.state.dims = dims;
        made.state.type = type;
        made.state.typeIsSet = true;
        inputs.push_back(&made);
        return &made;
    }
    void markOutput(ITensor& tensor)
    {
        if (stateOf(tensor).output)
        {
            violation("`" + stateOf(tensor).name + "` is marked as an output twice");
        }
        stateOf(tensor).output = true;
        outputs.push_back(&tensor);
    }

    IConstantLayer* addConstant(Dims const& dims, Weights values)
    {
        ConstantState state;
        state.valueDimensions = dims;
        state.valueWeights = values;
        return add<IConstantLayer, ConstantLayerAdaptor>(LayerType::kCONSTANT, "constant", state, {});
    }
    IConvolutionLayer* addConvolutionNd(ITensor& x, int64_t maps, Dims const& window, Weights kernel, Weights bias)
    {
        return add<IConvolutionLayer, ConvolutionLayerAdaptor>(
            LayerType::kCONVOLUTION, "convolution", kernelled<ConvolutionState>(maps, window, kernel, bias), {&x});
    }
    IDeconvolutionLayer* addDeconvolutionNd(ITensor& x, int64_t maps, Dims const& window, Weights kernel, Weights bias)
    {
        return add<IDeconvolutionLayer, DeconvolutionLayerAdaptor>(
            LayerType::kDECONVOLUTION, "deconvolution", kernelled<DeconvolutionState>(maps, window, kernel, bias), {&x});
    }
    IPoolingLayer* addPoolingNd(ITensor& x, PoolingType type, Dims const& window)
    {
        PoolingState state;
        state.valuePoolingType = type;
        state.valueWindowSizeNd = window;
        return add<IPoolingLayer, PoolingLayerAdaptor>(LayerType::kPOOLING, "pooling", state, {&x});
    }
    IActivationLayer* addActivation(ITensor& x, ActivationType type)
    {
        ActivationState state;
        state.valueActivationType = type;
        return add<IActivationLayer, ActivationLayerAdaptor>(LayerType::kACTIVATION, "activation", state, {&x});
    }
    IScaleLayer* addScaleNd(ITensor& x, ScaleMode mode, Weights shift, Weights scale, Weights power, int32_t axis)
    {
        ScaleState state;
        state.valueMode = mode;
        state.valueShift = shift;
        state.valueScale = scale;
        state.valuePower = power;
        state.valueChannelAxis = axis;
        return add<IScaleLayer, ScaleLayerAdaptor>(LayerType::kSCALE, "scale", state, {&x});
    }
    IParametricReLULayer* addParametricReLU(ITensor& x, ITensor& slope)
    {
        return add<IParametricReLULayer, ParametricReLULayerAdaptor>(
            LayerType::kPARAMETRIC_RELU, "parametric_relu", PreluState{}, {&x, &slope});
    }
    IElementWiseLayer* addElementWise(ITensor& a, ITensor& b, ElementWiseOperation operation)
    {
        ElementwiseState state;
        state.valueOperation = operation;
        return add<IElementWiseLayer, ElementWiseLayerAdaptor>(LayerType::kELEMENTWISE, "elementwise", state, {&a, &b});
    }
    IUnaryLayer* addUnary(ITensor& x, UnaryOperation operation)
    {
        UnaryState state;
        state.valueOperation = operation;
        return add<IUnaryLayer, UnaryLayerAdaptor>(LayerType::kUNARY, "unary", state, {&x});
    }
    ILRNLayer* addLRN(ITensor& x, int64_t window, float alpha, float beta, float k)
    {
        LrnState state;
        state.valueWindowSize = window;
        state.valueAlpha = alpha;
        state.valueBeta = beta;
        state.valueK = k;
        return add<ILRNLayer, LRNLayerAdaptor>(LayerType::kLRN, "lrn", state, {&x});
    }
    IReduceLayer* addReduce(ITensor& x, ReduceOperation operation, uint32_t axes, bool keep)
    {
        ReduceState state;
        state.valueOperation = operation;
        state.valueReduceAxes = axes;
        state.valueKeepDimensions = keep;
        return add<IReduceLayer, ReduceLayerAdaptor>(LayerType::kREDUCE, "reduce", state, {&x});
    }
    ISoftMaxLayer* addSoftMax(ITensor& x)
    {
        return add<ISoftMaxLayer, SoftMaxLayerAdaptor>(LayerType::kSOFTMAX, "softmax", SoftmaxState{}, {&x});
    }
    IConcatenationLayer* addConcatenation(ITensor* const* xs, int32_t count)
    {
        return add<IConcatenationLayer, ConcatenationLayerAdaptor>(
            LayerType::kCONCATENATION, "concatenation", ConcatenationState{}, std::vector<ITensor*>(xs, xs + count));
    }
    IMatrixMultiplyLayer* addMatrixMultiply(ITensor& a, MatrixOperation turnA, ITensor& b, MatrixOperation turnB)
    {
        MatrixState state;
        state.turns[0] = turnA;
        state.turns[1] = turnB;
        return add<IMatrixMultiplyLayer, MatrixMultiplyLayerAdaptor>(
            LayerType::kMATRIX_MULTIPLY, "matrix_multiply", state, {&a, &b});
    }
    IShuffleLayer* addShuffle(ITensor& x)
    {
        return add<IShuffleLayer, ShuffleLayerAdaptor>(LayerType::kSHUFFLE, "shuffle", ShuffleState{}, {&x});
    }
    ISliceLayer* addSlice(ITensor& x, Dims const& start, Dims const& size, Dims const& stride)
    {
        SliceState state;
        state.valueStart = start;
        state.valueSize = size;
        state.valueStride = stride;
        return add<ISliceLayer, SliceLayerAdaptor>(LayerType::kSLICE, "slice", state, {&x});
    }
    IResizeLayer* addResize(ITensor& x)
    {
        return add<IResizeLayer, ResizeLayerAdaptor>(LayerType::kRESIZE, "resize", ResizeState{}, {&x});
    }
    IQuantizeLayer* addQuantize(ITensor& x, ITensor& scale)
    {
        return addQuantizeV2(x, scale, DataType::kINT8);
    }
    IQuantizeLayer* addQuantizeV2(ITensor& x, ITensor& scale, DataType type)
    {
        QuantiseState state;
        state.to = type;
        return add<IQuantizeLayer, QuantizeLayerAdaptor>(LayerType::kQUANTIZE, "quantize", state, {&x, &scale});
    }
    IDequantizeLayer* addDequantize(ITensor& x, ITensor& scale)
    {
        return addDequantizeV2(x, scale, scale.getType());
    }
    IDequantizeLayer* addDequantizeV2(ITensor& x, ITensor& scale, DataType type)
    {
        QuantiseState state;
        state.to = type;
        return add<IDequantizeLayer, DequantizeLayerAdaptor>(LayerType::kDEQUANTIZE, "dequantize", state, {&x, &scale});
    }
    IIdentityLayer* addIdentity(ITensor& x)
    {
        return add<IIdentityLayer, IdentityLayerAdaptor>(LayerType::kIDENTITY, "cast", CastState{}, {&x});
    }
#if DOUBLE_AT_LEAST(8, 6)
    ICastLayer* addCast(ITensor& x, DataType type)
    {
        CastState state;
        state.to = type;
        return add<ICastLayer, CastLayerAdaptor>(LayerType::kCAST, "cast", state, {&x});
    }
#endif

    void describe(Json& json) const;

private:
    Tensor& tensor(Record* producer, std::string const& called)
    {
        TensorState state;
        state.index = static_cast<int32_t>(tensors.size());
        state.producer = producer;
        state.name = called;
        tensors.push_back(std::make_unique<Tensor>(state));
        return *tensors.back();
    }

    template <class State>
    static State kernelled(int64_t maps, Dims const& window, Weights kernel, Weights bias)
    {
        State state;
        state.valueNbOutputMaps = maps;
        state.valueKernelSizeNd = window;
        state.valueKernelWeights = kernel;
        state.valueBiasWeights = bias;
        return state;
    }

    template <class Public, template <class> class Own, class State>
    Public* add(LayerType type, char const* word, State state, std::vector<ITensor*> from)
    {
        std::string const called = "(Unnamed Layer* " + std::to_string(layers.size()) + ") [" + word + "]";
        state.kind = type;
        state.word = word;
        state.name = called;
        state.inputs = std::move(from);
        auto made = std::make_shared<LayerOf<Public, Own, State>>(std::move(state));
        made->state.out = &tensor(&made->state, called + "_output");
        owned.push_back(made);
        records.push_back(&made->state);
        layers.push_back(made.get());
        return made.get();
    }
};

inline void NetworkState::describe(Json& json) const
{
    auto const ports = [&](char const* key, std::vector<ITensor*> const& list) {
        json.open(key, '[');
        for (ITensor* port : list)
        {
            TensorState const& state = stateOf(*port);
            json.open(nullptr, '{').field("tensor", int64_t{state.index}).field("name", state.name);
            json.field("shape", state.getDimensions()).field("type", static_cast<int64_t>(state.getType()));
            json.field("formats", static_cast<int64_t>(state.valueAllowedFormats)).field("range", state.range.value_or(0));
            json.close('}');
        }
        json.close(']');
    };
    json.field("name", name).open("shapes", '[');
    for (auto const& tensor : tensors)
    {
        json.field(nullptr, tensor->state.getDimensions());
    }
    json.close(']');
    ports("inputs", inputs);
    ports("outputs", outputs);
    json.open("layers", '[');
    for (Record const* record : records)
    {
        json.open(nullptr, '{').field("kind", std::string(record->word)).field("name", record->name);
        json.field("range", stateOf(*record->out).range.value_or(0)).field("half", int64_t{record->precision == DataType::kHALF});
        json.field("output", int64_t{stateOf(*record->out).index}).open("inputs", '[');
        for (ITensor* input : record->inputs)
        {
            json.field(nullptr, input == nullptr ? int64_t{-1} : int64_t{stateOf(*input).index});
        }
        json.close(']');
        record->write(json);
        json.close('}');
    }
    json.close(']');
}

struct Network final : INetworkDefinition
{
    NetworkState state;
    NetworkDefinitionAdaptor<NetworkState> adaptor{state};
    Network(Log log, uint64_t builder, bool strong) : state(log, builder, strong)
    {
        mImpl = &adaptor;
    }
};

} // namespace nvinfer1
