// What all layers have in common: NvInfer's ILayer, and what the double has to know of each.
#pragma once
#include "tensor.h"

#include <functional>
#include <memory>

namespace nvinfer1
{

struct Record
{
    LayerType kind{};
    char const* word{nullptr};
    std::string name;
    std::vector<ITensor*> inputs;
    ITensor* out{nullptr};
    std::optional<DataType> precision;
    std::optional<DataType> outputType;

    virtual ~Record() = default;
    virtual Dims shape() const = 0;
    virtual void write(Json& json) const = 0;
    // Whether a DLA has such a layer at all.
    virtual bool onDla() const
    {
        return false;
    }
    virtual DataType naturalType() const
    {
        return inputs.empty() ? DataType::kFLOAT : inputs[0]->getType();
    }

    LayerType getType() const
    {
        return kind;
    }
    void setName(char const* to)
    {
        name = to;
    }
    char const* getName() const
    {
        return name.c_str();
    }
    int32_t getNbInputs() const
    {
        return static_cast<int32_t>(inputs.size());
    }
    ITensor* getInput(int32_t index) const
    {
        return index < getNbInputs() ? inputs[index] : nullptr;
    }
    int32_t getNbOutputs() const
    {
        return 1;
    }
    ITensor* getOutput(int32_t index) const
    {
        return index == 0 ? out : nullptr;
    }
    void setInput(int32_t index, ITensor& tensor)
    {
        if (index >= getNbInputs())
        {
            inputs.resize(index + 1);
        }
        inputs[index] = &tensor;
    }
    void setPrecision(DataType to)
    {
        precision = to;
    }
    void setOutputType(int32_t, DataType to)
    {
        outputType = to;
    }
    DataType getOutputType(int32_t) const
    {
        return outputType.value_or(naturalType());
    }

protected:
    Dims in(std::size_t index = 0) const
    {
        return inputs.at(index)->getDimensions();
    }
};

inline Dims TensorState::getDimensions() const
{
    return producer == nullptr ? dims : producer->shape();
}

inline DataType TensorState::getType() const
{
    return producer == nullptr || typeIsSet ? type : producer->getOutputType(0);
}

// Ranges are as the program gives them, unless a fault forgets or falsifies one.
inline bool TensorState::setDynamicRange(float least, float most)
{
    if (!(most > 0 && least == -most))
    {
        violation("dynamic range of `" + name + "` is not symmetric: DLA and implicit INT8 need -x to x");
        return false;
    }
    float const given = most * double_range_factor(producer == nullptr ? name.c_str() : producer->getName());
    if (given > 0)
    {
        range = given;
    }
    return true;
}

// Finds the record behind an ILayer that the program hands back.
struct HasRecord
{
    virtual Record const& record() const = 0;

protected:
    ~HasRecord() = default;
};

template <class Public, template <class> class Own, class State>
struct LayerOf final : Public, HasRecord
{
    State state;
    LayerAdaptor<State> layer{state};
    Own<State> own{state};
    explicit LayerOf(State from) : state(std::move(from))
    {
        this->mLayer = &layer;
        this->mImpl = &own;
    }
    Record const& record() const override
    {
        return state;
    }
};

inline Record const& recordOf(ILayer const* layer)
{
    return dynamic_cast<HasRecord const&>(*layer).record();
}

} // namespace nvinfer1
