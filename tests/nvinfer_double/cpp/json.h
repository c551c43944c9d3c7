// The description of a network that goes to the Rust side: JSON, and beside it the bytes of all weights as float32.
#pragma once
#include "objects.h"

#include <cmath>
#include <vector>

namespace nvinfer1
{

class Json
{
public:
    std::vector<float> weights;

    std::string const& text() const
    {
        return mText;
    }
    Json& open(char const* key, char bracket)
    {
        name(key);
        mText += bracket;
        mFirst = true;
        return *this;
    }
    Json& close(char bracket)
    {
        mText += bracket;
        mFirst = false;
        return *this;
    }
    Json& field(char const* key, std::string const& value)
    {
        name(key);
        mText += quoted(value);
        return *this;
    }
    Json& field(char const* key, int64_t value)
    {
        name(key);
        mText += std::to_string(value);
        return *this;
    }
    Json& field(char const* key, float value)
    {
        char text[64];
        // JSON has no infinity; a number this large reads back as one.
        double const wide = std::isinf(value) ? std::copysign(1e39, value) : static_cast<double>(value);
        std::snprintf(text, sizeof(text), "%.9g", wide);
        name(key);
        mText += text;
        return *this;
    }
    Json& field(char const* key, std::vector<int64_t> const& values)
    {
        open(key, '[');
        for (int64_t const value : values)
        {
            field(nullptr, value);
        }
        return close(']');
    }
    Json& field(char const* key, Dims const& dims)
    {
        return field(key, std::vector<int64_t>(dims.d, dims.d + (dims.nbDims > 0 ? dims.nbDims : 0)));
    }
    // Null where there are none.
    Json& field(char const* key, Weights const& from)
    {
        name(key);
        if (from.count == 0)
        {
            mText += "null";
            return *this;
        }
        mText += '[' + std::to_string(weights.size()) + ',' + std::to_string(from.count) + ']';
        for (int64_t i = 0; i < from.count; ++i)
        {
            weights.push_back(element(from, i));
        }
        return *this;
    }

private:
    static float element(Weights const& from, int64_t index)
    {
        switch (from.type)
        {
        case DataType::kFLOAT: return static_cast<float const*>(from.values)[index];
        case DataType::kHALF: return static_cast<float>(static_cast<_Float16 const*>(from.values)[index]);
        case DataType::kINT8: return static_cast<int8_t const*>(from.values)[index];
        default: violation("weights of a type that the double does not know"); return 0;
        }
    }
    void name(char const* key)
    {
        mText += mFirst ? "" : ",";
        mFirst = false;
        if (key != nullptr)
        {
            mText += quoted(key) + ":";
        }
    }

    std::string mText;
    bool mFirst = true;
};

} // namespace nvinfer1
