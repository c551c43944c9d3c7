// Layers without a window.
#pragma once
#include "windows.h"

namespace nvinfer1
{

struct ConstantState : Record
{
    PROPERTY(Weights, Weights, (nvinfer1::Weights{}))
    PROPERTY(Dims, Dimensions, Dims{})

    Dims shape() const override
    {
        return valueDimensions;
    }
    DataType naturalType() const override
    {
        return valueWeights.type;
    }
    void write(Json& json) const override
    {
        json.field("shape", valueDimensions).field("values", valueWeights);
    }
    // It becomes a parameter of the layer that reads it.
    bool onDla() const override
    {
        return true;
    }
};

struct ActivationState : Record
{
    PROPERTY(ActivationType, ActivationType, ActivationType::kRELU)
    PROPERTY(float, Alpha, 0)
    PROPERTY(float, Beta, 0)

    Dims shape() const override
    {
        return in();
    }
    void write(Json& json) const override
    {
        json.field("type", static_cast<int64_t>(valueActivationType)).field("alpha", valueAlpha).field("beta", valueBeta);
    }
    bool onDla() const override
    {
        switch (valueActivationType)
        {
        case ActivationType::kRELU:
        case ActivationType::kSIGMOID:
        case ActivationType::kTANH:
        case ActivationType::kLEAKY_RELU:
        case ActivationType::kCLIP: return true;
        default: return false;
        }
    }
};

struct ScaleState : Record
{
    PROPERTY(ScaleMode, Mode, ScaleMode::kCHANNEL)
    PROPERTY(Weights, Shift, Weights{})
    PROPERTY(Weights, Scale, Weights{})
    PROPERTY(Weights, Power, Weights{})
    PROPERTY(int32_t, ChannelAxis, 1)

    Dims shape() const override
    {
        return in();
    }
    void write(Json& json) const override
    {
        json.field("mode", static_cast<int64_t>(valueMode)).field("axis", static_cast<int64_t>(valueChannelAxis));
        json.field("shift", valueShift).field("scale", valueScale).field("power", valuePower);
    }
    bool onDla() const override
    {
        return true;
    }
};

struct PreluState : Record
{
    Dims shape() const override
    {
        return in();
    }
    void write(Json&) const override {}
    bool onDla() const override
    {
        return inputs[1]->getDimensions().nbDims == in().nbDims;
    }
};

struct ElementwiseState : Record
{
    PROPERTY(ElementWiseOperation, Operation, ElementWiseOperation::kSUM)

    Dims shape() const override
    {
        Dims to = in();
        Dims const other = in(1);
        for (int32_t i = 0; i < to.nbDims; ++i)
        {
            to.d[i] = to.d[i] > other.d[i] ? to.d[i] : other.d[i];
        }
        return to;
    }
    void write(Json& json) const override
    {
        json.field("operation", static_cast<int64_t>(valueOperation));
    }
    bool onDla() const override
    {
        return valueOperation <= ElementWiseOperation::kSUB;
    }
};

struct UnaryState : Record
{
    PROPERTY(UnaryOperation, Operation, UnaryOperation::kEXP)

    Dims shape() const override
    {
        return in();
    }
    void write(Json& json) const override
    {
        json.field("operation", static_cast<int64_t>(valueOperation));
    }
};

struct LrnState : Record
{
    PROPERTY(int64_t, WindowSize, 0)
    PROPERTY(float, Alpha, 0)
    PROPERTY(float, Beta, 0)
    PROPERTY(float, K, 0)

    Dims shape() const override
    {
        return in();
    }
    void write(Json& json) const override
    {
        json.field("size", valueWindowSize).field("alpha", valueAlpha).field("beta", valueBeta).field("k", valueK);
    }
    bool onDla() const override
    {
        return valueWindowSize == 3 || valueWindowSize == 5 || valueWindowSize == 7 || valueWindowSize == 9;
    }
};

struct ReduceState : Record
{
    PROPERTY(ReduceOperation, Operation, ReduceOperation::kAVG)
    PROPERTY(uint32_t, ReduceAxes, 0)
    PROPERTY(bool, KeepDimensions, true)

    Dims shape() const override
    {
        Dims const from = in();
        Dims to{};
        for (int32_t i = 0; i < from.nbDims; ++i)
        {
            bool const reduced = (valueReduceAxes >> i & 1U) != 0;
            if (!reduced || valueKeepDimensions)
            {
                to.d[to.nbDims++] = reduced ? 1 : from.d[i];
            }
        }
        return to;
    }
    void write(Json& json) const override
    {
        json.field("operation", static_cast<int64_t>(valueOperation)).field("axes", static_cast<int64_t>(valueReduceAxes));
        json.field("keep", static_cast<int64_t>(valueKeepDimensions));
    }
};

struct SoftmaxState : Record
{
    PROPERTY(uint32_t, Axes, 2)

    Dims shape() const override
    {
        return in();
    }
    void write(Json& json) const override
    {
        json.field("axes", static_cast<int64_t>(valueAxes));
    }
};

struct ConcatenationState : Record
{
    PROPERTY(int32_t, Axis, 1)

    Dims shape() const override
    {
        Dims to = in();
        for (std::size_t i = 1; i < inputs.size(); ++i)
        {
            to.d[valueAxis] += in(i).d[valueAxis];
        }
        return to;
    }
    void write(Json& json) const override
    {
        json.field("axis", static_cast<int64_t>(valueAxis));
    }
    bool onDla() const override
    {
        return valueAxis == 1;
    }
};

struct MatrixState : Record
{
    MatrixOperation turns[2]{};

    void setOperation(int32_t index, MatrixOperation to)
    {
        turns[index] = to;
    }
    MatrixOperation getOperation(int32_t index) const
    {
        return turns[index];
    }
    Dims shape() const override
    {
        Dims to = in();
        Dims const right = in(1);
        int32_t const last = to.nbDims - 1;
        bool const turned[2] = {turns[0] == MatrixOperation::kTRANSPOSE, turns[1] == MatrixOperation::kTRANSPOSE};
        to.d[last - 1] = turned[0] ? in().d[last] : in().d[last - 1];
        to.d[last] = turned[1] ? right.d[last - 1] : right.d[last];
        return to;
    }
    void write(Json& json) const override
    {
        json.field("turn_a", static_cast<int64_t>(turns[0])).field("turn_b", static_cast<int64_t>(turns[1]));
    }
};

struct ShuffleState : Record
{
    std::optional<Permutation> order;
    std::optional<Dims> to;
    PROPERTY(bool, ZeroIsPlaceholder, true)

    void setFirstTranspose(Permutation from)
    {
        order = from;
    }
    void setReshapeDimensions(Dims const& from)
    {
        to = from;
    }
    Dims shape() const override
    {
        if (to.has_value())
        {
            return *to;
        }
        Dims const from = in();
        Dims turned = from;
        for (int32_t i = 0; order.has_value() && i < from.nbDims; ++i)
        {
            turned.d[i] = from.d[order->order[i]];
        }
        return turned;
    }
    void write(Json& json) const override
    {
        std::vector<int64_t> axes;
        for (int32_t i = 0; order.has_value() && i < in().nbDims; ++i)
        {
            axes.push_back(order->order[i]);
        }
        json.field("permutation", axes).field("shape", shape());
    }
};

struct SliceState : Record
{
    PROPERTY(Dims, Start, Dims{})
    PROPERTY(Dims, Size, Dims{})
    PROPERTY(Dims, Stride, Dims{})
#if DOUBLE_AT_LEAST(8, 5)
    PROPERTY(SampleMode, Mode, SampleMode{})
#else
    PROPERTY(SliceMode, Mode, SliceMode{})
#endif

    Dims shape() const override
    {
        return valueSize;
    }
    void write(Json& json) const override
    {
        json.field("start", valueStart).field("size", valueSize).field("stride", valueStride);
        json.field("mode", static_cast<int64_t>(valueMode));
    }
};

// `to` is INT8 for quantisation, and a float type for its reverse; input 1 is the scale.
struct QuantiseState : Record
{
    DataType to{DataType::kINT8};
    PROPERTY(int32_t, Axis, -1)

    Dims shape() const override
    {
        return in();
    }
    DataType naturalType() const override
    {
        return to;
    }
    void write(Json& json) const override
    {
        json.field("axis", static_cast<int64_t>(valueAxis));
    }
};

struct ResizeState : Record
{
    PROPERTY(Dims, OutputDimensions, Dims{})
#if DOUBLE_AT_LEAST(8, 6)
    PROPERTY(InterpolationMode, ResizeMode, InterpolationMode::kNEAREST)
#else
    PROPERTY(nvinfer1::ResizeMode, ResizeMode, nvinfer1::ResizeMode::kNEAREST)
#endif
    PROPERTY(ResizeCoordinateTransformation, CoordinateTransformation, ResizeCoordinateTransformation::kASYMMETRIC)
    PROPERTY(ResizeRoundMode, NearestRounding, ResizeRoundMode::kFLOOR)

    Dims shape() const override
    {
        return valueOutputDimensions;
    }
    void write(Json& json) const override
    {
        json.field("shape", valueOutputDimensions).field("mode", static_cast<int64_t>(valueResizeMode));
        json.field("coordinates", static_cast<int64_t>(valueCoordinateTransformation));
        json.field("rounding", static_cast<int64_t>(valueNearestRounding));
    }
};

// A change of type.
struct CastState : Record
{
    std::optional<DataType> to;

    void setToType(DataType type)
    {
        to = type;
    }
    DataType getToType() const
    {
        return to.value_or(DataType::kFLOAT);
    }
    Dims shape() const override
    {
        return in();
    }
    DataType naturalType() const override
    {
        return to.value_or(Record::naturalType());
    }
    void write(Json& json) const override
    {
        json.field("to", static_cast<int64_t>(naturalType()));
    }
};

} // namespace nvinfer1
