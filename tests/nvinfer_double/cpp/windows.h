// Layers that slide a window: convolution, deconvolution, pooling.
#pragma once
#include "record.h"

namespace nvinfer1
{

inline Dims allOf(int32_t rank, int64_t value)
{
    Dims dims{};
    dims.nbDims = rank;
    for (int32_t i = 0; i < rank; ++i)
    {
        dims.d[i] = value;
    }
    return dims;
}

struct WindowState : Record
{
    PROPERTY(Dims, StrideNd, allOf(2, 1))
    PROPERTY(Dims, PrePadding, allOf(2, 0))
    PROPERTY(Dims, PostPadding, allOf(2, 0))
    PROPERTY(Dims, DilationNd, allOf(2, 1))

protected:
    int64_t padded(Dims const& from, int32_t axis) const
    {
        return from.d[2 + axis] + valuePrePadding.d[axis] + valuePostPadding.d[axis];
    }
    int64_t reach(Dims const& window, int32_t axis) const
    {
        return (window.d[axis] - 1) * valueDilationNd.d[axis] + 1;
    }
    void writeWindow(Json& json, Dims const& window) const
    {
        json.field("window", window).field("stride", valueStrideNd).field("dilation", valueDilationNd);
        json.field("before", valuePrePadding).field("after", valuePostPadding);
    }
};

struct KernelState : WindowState
{
    PROPERTY(int64_t, NbOutputMaps, 0)
    PROPERTY(Dims, KernelSizeNd, Dims{})
    PROPERTY(int64_t, NbGroups, 1)
    PROPERTY(Weights, KernelWeights, Weights{})
    PROPERTY(Weights, BiasWeights, Weights{})

    void write(Json& json) const override
    {
        writeWindow(json, valueKernelSizeNd);
        json.field("maps", valueNbOutputMaps).field("groups", valueNbGroups);
        json.field("kernel", valueKernelWeights).field("bias", valueBiasWeights);
    }
    bool onDla() const override
    {
        Dims const& side = valueKernelSizeNd;
        return side.nbDims == 2 && side.d[0] <= 32 && side.d[1] <= 32 && inputs.size() == 1;
    }
};

struct ConvolutionState : KernelState
{
    Dims shape() const override
    {
        Dims const from = in();
        Dims to = from;
        to.d[1] = valueNbOutputMaps;
        for (int32_t i = 0; i < valueKernelSizeNd.nbDims; ++i)
        {
            to.d[2 + i] = (padded(from, i) - reach(valueKernelSizeNd, i)) / valueStrideNd.d[i] + 1;
        }
        return to;
    }
};

struct DeconvolutionState : KernelState
{
    Dims shape() const override
    {
        Dims const from = in();
        Dims to = from;
        to.d[1] = valueNbOutputMaps;
        for (int32_t i = 0; i < valueKernelSizeNd.nbDims; ++i)
        {
            int64_t const full = (from.d[2 + i] - 1) * valueStrideNd.d[i] + reach(valueKernelSizeNd, i);
            to.d[2 + i] = full - valuePrePadding.d[i] - valuePostPadding.d[i];
        }
        return to;
    }
    // The DLA's deconvolution takes no padding.
    bool onDla() const override
    {
        bool padding = false;
        for (int32_t i = 0; i < valuePrePadding.nbDims; ++i)
        {
            padding = padding || valuePrePadding.d[i] != 0 || valuePostPadding.d[i] != 0;
        }
        return KernelState::onDla() && !padding;
    }
};

struct PoolingState : WindowState
{
    PROPERTY(PoolingType, PoolingType, PoolingType::kMAX)
    PROPERTY(Dims, WindowSizeNd, Dims{})
    // TensorRT's default counts no padding.
    PROPERTY(bool, AverageCountExcludesPadding, true)

    Dims shape() const override
    {
        Dims const from = in();
        Dims to = from;
        for (int32_t i = 0; i < valueWindowSizeNd.nbDims; ++i)
        {
            to.d[2 + i] = (padded(from, i) - valueWindowSizeNd.d[i]) / valueStrideNd.d[i] + 1;
        }
        return to;
    }
    void write(Json& json) const override
    {
        writeWindow(json, valueWindowSizeNd);
        json.field("type", static_cast<int64_t>(valuePoolingType));
        json.field("excludes_padding", static_cast<int64_t>(valueAverageCountExcludesPadding));
    }
    bool onDla() const override
    {
        return valueWindowSizeNd.nbDims == 2 && valueWindowSizeNd.d[0] <= 8 && valueWindowSizeNd.d[1] <= 8;
    }
};

} // namespace nvinfer1
