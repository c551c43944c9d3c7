// A tensor of a network under construction. Shapes are worked out when they are asked for: layers change until then.
#pragma once
#include "json.h"

#include <optional>

namespace nvinfer1
{

struct Record;

struct TensorState
{
    int32_t index;
    Record* producer;
    std::string name;
    Dims dims{};
    DataType type{DataType::kFLOAT};
    bool typeIsSet{false};
    bool output{false};
    std::optional<float> range;

    void setName(char const* to)
    {
        name = to;
    }
    char const* getName() const
    {
        return name.c_str();
    }
    void setDimensions(Dims const& to)
    {
        dims = to;
    }
    Dims getDimensions() const;
    void setType(DataType to)
    {
        if (producer != nullptr && !output)
        {
            violation("setType on `" + name + "`, which is neither an input nor an output");
        }
        type = to;
        typeIsSet = true;
    }
    DataType getType() const;
    bool setDynamicRange(float least, float most);
    bool dynamicRangeIsSet() const
    {
        return range.has_value();
    }
    bool isNetworkInput() const
    {
        return producer == nullptr;
    }
    bool isNetworkOutput() const
    {
        return output;
    }
    bool isShapeTensor() const
    {
        return false;
    }
    bool isExecutionTensor() const
    {
        return true;
    }
    PROPERTY(TensorFormats, AllowedFormats, 0)
};

struct Tensor final : ITensor
{
    TensorState state;
    TensorAdaptor<TensorState> adaptor{state};
    explicit Tensor(TensorState from) : state(std::move(from))
    {
        mImpl = &adaptor;
    }
};

inline TensorState& stateOf(ITensor& tensor)
{
    return static_cast<Tensor&>(tensor).state;
}

} // namespace nvinfer1
