// A flat C table over NvInfer's C++ interfaces, for one header set. It decides nothing: which call to make is Rust's
// business (`sys.rs` mirrors every line of the table), bridging what NvInfer renamed between 8.0 and 11 is this file's.
//
// Nothing links to TensorRT: its entry points come in as addresses. Nothing throws: a pointer that is null or a status
// that is not `kDone` is a refusal, and `last_exception` has the text if it was one.
//
// `TVM_DLA_SHIM` is the name of the one symbol this file defines.
#include <NvInfer.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <vector>

// Several header sets can live in one program: every set has its own inline functions, so each gets a namespace of its own
// from the build (`-Dnvinfer1=...`).
using namespace nvinfer1;

#ifdef TRT_MAJOR_RTX
#define IS_RTX 1
// TensorRT-RTX 1.5 follows the interface of TensorRT 11, earlier ones that of 10.
#define API (TRT_MAJOR_RTX * 100 + TRT_MINOR_RTX >= 105 ? 1100 : 1013)
#define HAS_WEAK_TYPES 0
#define API_AT_LEAST(version) (API >= (version))
#else
#define IS_RTX 0
#define API (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR)
#define HAS_WEAK_TYPES (NV_TENSORRT_MAJOR < 11)
#define API_AT_LEAST(version) (API >= (version))
#endif

// What NVIDIA calls deprecated is still the only way on the older releases that Jetsons run.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace {

constexpr int32_t kDone = 0;
constexpr int32_t kRefused = 1;
constexpr int32_t kThrew = 2;
// This release of TensorRT has no such thing.
constexpr int32_t kAbsent = 3;

thread_local char g_exception[512];

void remember(char const* text) noexcept {
  std::size_t at = 0;
  for (; text != nullptr && text[at] != '\0' && at + 1 < sizeof(g_exception); ++at) g_exception[at] = text[at];
  g_exception[at] = '\0';
}

template <class Result, class Call>
Result guarded(Result refusal, Call call) noexcept {
  remember("");
  try {
    return call();
  } catch (std::exception const& e) {
    remember(e.what());
  } catch (...) {
    remember("an exception of unknown type");
  }
  return refusal;
}

template <class Call>
int32_t status(Call call) noexcept {
  return guarded(kThrew, [&] { return call() ? kDone : kRefused; });
}

template <class Call>
int32_t done(Call call) noexcept {
  return guarded(kThrew, [&] {
    call();
    return kDone;
  });
}

// The C side's dimensions, wide enough for every release's.
struct Shape {
  int32_t rank;
  int64_t at[8];
};

struct Blob {
  int32_t type;
  void const* data;
  int64_t count;
};

Dims dims(Shape const& shape) {
  Dims out{};
  out.nbDims = shape.rank;
  for (int32_t i = 0; i < shape.rank && i < 8; ++i) out.d[i] = static_cast<std::remove_reference_t<decltype(out.d[0])>>(shape.at[i]);
  return out;
}

Shape shape(Dims const& from) {
  Shape out{from.nbDims, {}};
  for (int32_t i = 0; i < from.nbDims && i < 8; ++i) out.at[i] = from.d[i];
  return out;
}

Weights weights(Blob const& blob) { return Weights{static_cast<DataType>(blob.type), blob.data, blob.count}; }

// Numbers that Rust writes down as they are.
template <class Enum>
constexpr int32_t number(Enum value) {
  return static_cast<int32_t>(value);
}
static_assert(number(DataType::kFLOAT) == 0 && number(DataType::kHALF) == 1 && number(DataType::kINT8) == 2, "");
static_assert(number(ActivationType::kRELU) == 0 && number(ActivationType::kCLIP) == 8 &&
                  number(ActivationType::kTHRESHOLDED_RELU) == 11, "");
static_assert(number(ElementWiseOperation::kSUM) == 0 && number(ElementWiseOperation::kLESS) == 13, "");
static_assert(number(UnaryOperation::kEXP) == 0 && number(UnaryOperation::kNOT) == 20, "");
static_assert(number(ReduceOperation::kSUM) == 0 && number(ReduceOperation::kAVG) == 4, "");
static_assert(number(PoolingType::kMAX) == 0 && number(PoolingType::kAVERAGE) == 1, "");
static_assert(number(TensorFormat::kLINEAR) == 0 && number(TensorFormat::kCHW16) == 4 && number(TensorFormat::kCHW32) == 5, "");
static_assert(number(ResizeCoordinateTransformation::kALIGN_CORNERS) == 0 &&
                  number(ResizeCoordinateTransformation::kHALF_PIXEL) == 2, "");
static_assert(number(ILogger::Severity::kINTERNAL_ERROR) == 0 && number(ILogger::Severity::kVERBOSE) == 4, "");

#if API_AT_LEAST(805)
constexpr auto kFillOutside = SampleMode::kFILL;
#elif API_AT_LEAST(802)
constexpr auto kFillOutside = SliceMode::kFILL;
#endif
#if API_AT_LEAST(806)
using ResizeModeOf = InterpolationMode;
#else
using ResizeModeOf = ResizeMode;
#endif

// --- Log ---------------------------------------------------------------------------------------------------------

using LogCallback = void (*)(void* user, int32_t severity, char const* text);

class Logger final : public ILogger {
 public:
  Logger(LogCallback callback, void* user) : callback_(callback), user_(user) {}
  void log(Severity severity, char const* text) noexcept override { callback_(user_, number(severity), text); }

 private:
  LogCallback callback_;
  void* user_;
};

void* logger_create(LogCallback callback, void* user) noexcept {
  return guarded<void*>(nullptr, [&] { return static_cast<ILogger*>(new Logger(callback, user)); });
}

// --- Builder -----------------------------------------------------------------------------------------------------

using Entry = void* (*)(void* logger, int32_t version);

IBuilder* builder_create(Entry entry, void* logger) noexcept {
  return guarded<IBuilder*>(nullptr, [&] { return static_cast<IBuilder*>(entry(logger, NV_TENSORRT_VERSION)); });
}
void builder_destroy(IBuilder* builder) noexcept { delete builder; }
int32_t builder_dla_cores(IBuilder* builder) noexcept { return builder->getNbDLACores(); }

INetworkDefinition* network_create(IBuilder* builder, int32_t strong) noexcept {
  return guarded<INetworkDefinition*>(nullptr, [&] {
    uint32_t flags = 0;
#if !API_AT_LEAST(1000)
    flags |= 1U << number(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#endif
#if API_AT_LEAST(1000)
    if (strong != 0) flags |= 1U << number(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#endif
    static_cast<void>(strong);
    return builder->createNetworkV2(flags);
  });
}
void network_destroy(INetworkDefinition* network) noexcept { delete network; }
int32_t network_layers(INetworkDefinition* network) noexcept { return network->getNbLayers(); }
ILayer* network_layer(INetworkDefinition* network, int32_t index) noexcept { return network->getLayer(index); }

IBuilderConfig* config_create(IBuilder* builder) noexcept {
  return guarded<IBuilderConfig*>(nullptr, [&] { return builder->createBuilderConfig(); });
}
void config_destroy(IBuilderConfig* config) noexcept { delete config; }

// The flags by names of our own: their numbers changed in 10.
enum Flag : int32_t {
  kFlagFp16, kFlagInt8, kFlagGpuFallback, kFlagNoTimingCache, kFlagEditableTimingCache, kFlagObeyPrecision, kFlagTf32,
};

int32_t config_flag(IBuilderConfig* config, int32_t flag, int32_t on) noexcept {
  auto const set = [&](BuilderFlag which) {
    return done([&] { on != 0 ? config->setFlag(which) : config->clearFlag(which); });
  };
  switch (static_cast<Flag>(flag)) {
#if HAS_WEAK_TYPES
    case kFlagFp16: return set(BuilderFlag::kFP16);
    case kFlagInt8: return set(BuilderFlag::kINT8);
#else
    case kFlagFp16: case kFlagInt8: return kAbsent;
#endif
#if HAS_WEAK_TYPES && API_AT_LEAST(802)
    case kFlagObeyPrecision: return set(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
#elif HAS_WEAK_TYPES
    case kFlagObeyPrecision: return set(BuilderFlag::kSTRICT_TYPES);
#else
    case kFlagObeyPrecision: return kAbsent;
#endif
    case kFlagGpuFallback: return set(BuilderFlag::kGPU_FALLBACK);
    case kFlagNoTimingCache: return set(BuilderFlag::kDISABLE_TIMING_CACHE);
    case kFlagTf32: return set(BuilderFlag::kTF32);
#if API_AT_LEAST(1013)
    case kFlagEditableTimingCache: return set(BuilderFlag::kEDITABLE_TIMING_CACHE);
#else
    case kFlagEditableTimingCache: return kAbsent;
#endif
  }
  return kAbsent;
}

enum Pool : int32_t { kPoolWorkspace, kPoolDlaSram, kPoolDlaLocal, kPoolDlaGlobal };

int32_t config_memory(IBuilderConfig* config, int32_t pool, uint64_t bytes) noexcept {
#if API_AT_LEAST(804)
  return done([&] {
    switch (static_cast<Pool>(pool)) {
      case kPoolWorkspace: return config->setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, bytes);
      case kPoolDlaSram: return config->setMemoryPoolLimit(MemoryPoolType::kDLA_MANAGED_SRAM, bytes);
      case kPoolDlaLocal: return config->setMemoryPoolLimit(MemoryPoolType::kDLA_LOCAL_DRAM, bytes);
      case kPoolDlaGlobal: return config->setMemoryPoolLimit(MemoryPoolType::kDLA_GLOBAL_DRAM, bytes);
    }
  });
#else
  if (pool != kPoolWorkspace) return kAbsent;
  return done([&] { config->setMaxWorkspaceSize(bytes); });
#endif
}

int32_t config_level(IBuilderConfig* config, int32_t level) noexcept {
#if API_AT_LEAST(806)
  return done([&] { config->setBuilderOptimizationLevel(level); });
#else
  static_cast<void>(config), static_cast<void>(level);
  return kAbsent;
#endif
}

int32_t config_dla(IBuilderConfig* config, int32_t core) noexcept {
  return done([&] {
    config->setDefaultDeviceType(DeviceType::kDLA);
    config->setDLACore(core);
  });
}

int32_t config_can_run_on_dla(IBuilderConfig* config, ILayer* layer) noexcept { return config->canRunOnDLA(layer) ? 1 : 0; }
int32_t config_layer_on_gpu(IBuilderConfig* config, ILayer* layer) noexcept {
  return done([&] { config->setDeviceType(layer, DeviceType::kGPU); });
}

// Returns 0 to cancel the build. `step` is -1 when the phase begins, and `steps` when it has ended.
using ProgressCallback = int32_t (*)(void* user, char const* phase, int32_t step, int32_t steps);

#if API_AT_LEAST(1000)
class Monitor final : public IProgressMonitor {
 public:
  Monitor(ProgressCallback callback, void* user) : callback_(callback), user_(user) {}
  void phaseStart(char const* phase, char const*, int32_t steps) noexcept override { callback_(user_, phase, -1, steps); }
  bool stepComplete(char const* phase, int32_t step) noexcept override { return callback_(user_, phase, step, -1) != 0; }
  void phaseFinish(char const* phase) noexcept override { callback_(user_, phase, -2, -1); }

 private:
  ProgressCallback callback_;
  void* user_;
};

void* monitor_create(ProgressCallback callback, void* user) noexcept {
  return guarded<void*>(nullptr, [&] { return new Monitor(callback, user); });
}
void monitor_destroy(void* monitor) noexcept { delete static_cast<Monitor*>(monitor); }
int32_t config_monitor(IBuilderConfig* config, void* monitor) noexcept {
  return done([&] { config->setProgressMonitor(static_cast<Monitor*>(monitor)); });
}
#else
void* monitor_create(ProgressCallback, void*) noexcept { return nullptr; }
void monitor_destroy(void*) noexcept {}
int32_t config_monitor(IBuilderConfig*, void*) noexcept { return kAbsent; }
#endif

// The config keeps a reference to the cache, which therefore has to be destroyed after it.
ITimingCache* timing_cache_create(IBuilderConfig* config, void const* data, uint64_t size) noexcept {
  return guarded<ITimingCache*>(nullptr, [&]() -> ITimingCache* {
    ITimingCache* cache = config->createTimingCache(data, size);
    if (cache != nullptr && !config->setTimingCache(*cache, false)) {
      delete cache;
      return nullptr;
    }
    return cache;
  });
}
IHostMemory* timing_cache_serialize(ITimingCache* cache) noexcept {
  return guarded<IHostMemory*>(nullptr, [&] { return cache->serialize(); });
}
void timing_cache_destroy(ITimingCache* cache) noexcept { delete cache; }

IHostMemory* build(IBuilder* builder, INetworkDefinition* network, IBuilderConfig* config) noexcept {
  return guarded<IHostMemory*>(nullptr, [&] { return builder->buildSerializedNetwork(*network, *config); });
}
void const* memory_data(IHostMemory* memory) noexcept { return memory->data(); }
uint64_t memory_size(IHostMemory* memory) noexcept { return memory->size(); }
void memory_destroy(IHostMemory* memory) noexcept { delete memory; }

// --- Tensors and layers ------------------------------------------------------------------------------------------

ITensor* network_input(INetworkDefinition* network, char const* name, int32_t type, Shape const* at) noexcept {
  return guarded<ITensor*>(nullptr, [&] { return network->addInput(name, static_cast<DataType>(type), dims(*at)); });
}
int32_t network_output(INetworkDefinition* network, ITensor* tensor) noexcept {
  return done([&] { network->markOutput(*tensor); });
}
Shape tensor_shape(ITensor* tensor) noexcept { return shape(tensor->getDimensions()); }
int32_t tensor_type(ITensor* tensor) noexcept { return number(tensor->getType()); }
void tensor_name(ITensor* tensor, char const* name) noexcept { tensor->setName(name); }
// An input's or output's type; layers' types follow from their inputs where the network is strongly typed.
int32_t tensor_io(ITensor* tensor, int32_t type, int32_t format) noexcept {
  return done([&] {
#if HAS_WEAK_TYPES
    tensor->setType(static_cast<DataType>(type));
#else
    static_cast<void>(type);
#endif
    tensor->setAllowedFormats(1U << format);
  });
}
int32_t tensor_range(ITensor* tensor, float least, float most) noexcept {
#if HAS_WEAK_TYPES
  return status([&] { return tensor->setDynamicRange(least, most); });
#else
  static_cast<void>(tensor), static_cast<void>(least), static_cast<void>(most);
  return kAbsent;
#endif
}

ITensor* layer_output(ILayer* layer) noexcept { return layer->getOutput(0); }
int32_t layer_input(ILayer* layer, int32_t index, ITensor* tensor) noexcept {
  return done([&] { layer->setInput(index, *tensor); });
}
void layer_name(ILayer* layer, char const* name) noexcept { layer->setName(name); }
char const* layer_get_name(ILayer* layer) noexcept { return layer->getName(); }
// Fixes what a layer computes in, and the type of its output.
int32_t layer_precision(ILayer* layer, int32_t type) noexcept {
#if HAS_WEAK_TYPES
  return done([&] {
    layer->setPrecision(static_cast<DataType>(type));
    layer->setOutputType(0, static_cast<DataType>(type));
  });
#else
  static_cast<void>(layer), static_cast<void>(type);
  return kAbsent;
#endif
}

template <class Add>
ILayer* layer(Add add) noexcept {
  return guarded<ILayer*>(nullptr, [&]() -> ILayer* { return add(); });
}

ILayer* add_constant(INetworkDefinition* n, Shape const* at, Blob const* value) noexcept {
  return layer([&] { return n->addConstant(dims(*at), weights(*value)); });
}

// Windows of convolutions and pooling.
struct Window {
  Shape size, stride, before, after, dilation;
};

template <class Layer>
Layer* placed(Layer* made, Window const& window) {
  if (made != nullptr) {
    made->setStrideNd(dims(window.stride));
    made->setPrePadding(dims(window.before));
    made->setPostPadding(dims(window.after));
  }
  return made;
}

ILayer* add_convolution(INetworkDefinition* n, ITensor* x, int64_t maps, Window const* window, int64_t groups,
                        Blob const* kernel, Blob const* bias) noexcept {
  return layer([&] {
    auto* made = n->addConvolutionNd(*x, maps, dims(window->size), weights(*kernel), weights(*bias));
    if (placed(made, *window) != nullptr) {
      made->setDilationNd(dims(window->dilation));
      made->setNbGroups(groups);
    }
    return made;
  });
}

ILayer* add_deconvolution(INetworkDefinition* n, ITensor* x, int64_t maps, Window const* window, int64_t groups,
                          Blob const* kernel, Blob const* bias) noexcept {
  return layer([&] {
    auto* made = n->addDeconvolutionNd(*x, maps, dims(window->size), weights(*kernel), weights(*bias));
    if (placed(made, *window) != nullptr) {
      made->setDilationNd(dims(window->dilation));
      made->setNbGroups(groups);
    }
    return made;
  });
}

ILayer* add_pooling(INetworkDefinition* n, ITensor* x, int32_t kind, Window const* window, int32_t count_padding) noexcept {
  return layer([&] {
    auto* made = n->addPoolingNd(*x, static_cast<PoolingType>(kind), dims(window->size));
    if (placed(made, *window) != nullptr) made->setAverageCountExcludesPadding(count_padding == 0);
    return made;
  });
}

ILayer* add_activation(INetworkDefinition* n, ITensor* x, int32_t function, float alpha, float beta) noexcept {
  return layer([&] {
    auto* made = n->addActivation(*x, static_cast<ActivationType>(function));
    if (made != nullptr) {
      made->setAlpha(alpha);
      made->setBeta(beta);
    }
    return made;
  });
}

ILayer* add_scale(INetworkDefinition* n, ITensor* x, Blob const* shift, Blob const* scale, Blob const* power) noexcept {
  return layer([&] {
    return n->addScaleNd(*x, ScaleMode::kCHANNEL, weights(*shift), weights(*scale), weights(*power), 1);
  });
}

ILayer* add_parametric_relu(INetworkDefinition* n, ITensor* x, ITensor* slope) noexcept {
  return layer([&] { return n->addParametricReLU(*x, *slope); });
}
ILayer* add_elementwise(INetworkDefinition* n, ITensor* a, ITensor* b, int32_t kind) noexcept {
  return layer([&] { return n->addElementWise(*a, *b, static_cast<ElementWiseOperation>(kind)); });
}
ILayer* add_unary(INetworkDefinition* n, ITensor* x, int32_t kind) noexcept {
  return layer([&] { return n->addUnary(*x, static_cast<UnaryOperation>(kind)); });
}
ILayer* add_lrn(INetworkDefinition* n, ITensor* x, int64_t window, float alpha, float beta, float k) noexcept {
  return layer([&] { return n->addLRN(*x, window, alpha, beta, k); });
}
ILayer* add_reduce(INetworkDefinition* n, ITensor* x, int32_t kind, uint32_t axes, int32_t keep) noexcept {
  return layer([&] { return n->addReduce(*x, static_cast<ReduceOperation>(kind), axes, keep != 0); });
}
ILayer* add_softmax(INetworkDefinition* n, ITensor* x, uint32_t axes) noexcept {
  return layer([&] {
    auto* made = n->addSoftMax(*x);
    if (made != nullptr) made->setAxes(axes);
    return made;
  });
}
ILayer* add_concatenation(INetworkDefinition* n, ITensor* const* xs, int32_t count, int32_t axis) noexcept {
  return layer([&] {
    auto* made = n->addConcatenation(xs, count);
    if (made != nullptr) made->setAxis(axis);
    return made;
  });
}
ILayer* add_matrix_multiply(INetworkDefinition* n, ITensor* a, int32_t turn_a, ITensor* b, int32_t turn_b) noexcept {
  auto const operation = [](int32_t turn) { return turn != 0 ? MatrixOperation::kTRANSPOSE : MatrixOperation::kNONE; };
  return layer([&] { return n->addMatrixMultiply(*a, operation(turn_a), *b, operation(turn_b)); });
}

// Either part may be null.
ILayer* add_shuffle(INetworkDefinition* n, ITensor* x, Shape const* permutation, Shape const* to) noexcept {
  return layer([&] {
    auto* made = n->addShuffle(*x);
    if (made != nullptr && permutation != nullptr) {
      Permutation order{};
      for (int32_t i = 0; i < permutation->rank && i < 8; ++i) order.order[i] = static_cast<int32_t>(permutation->at[i]);
      made->setFirstTranspose(order);
    }
    if (made != nullptr && to != nullptr) {
      // A length of zero is a length here, not "as the input's".
      made->setZeroIsPlaceholder(false);
      made->setReshapeDimensions(dims(*to));
    }
    return made;
  });
}

// What lies outside `x` reads as the scalar `fill`; without one it is an error.
ILayer* add_slice(INetworkDefinition* n, ITensor* x, Shape const* start, Shape const* size, Shape const* step,
                  ITensor* fill) noexcept {
  return layer([&] {
    auto* made = n->addSlice(*x, dims(*start), dims(*size), dims(*step));
    if (made != nullptr && fill != nullptr) {
#if API_AT_LEAST(802)
      made->setMode(kFillOutside);
      made->setInput(4, *fill);
#else
      throw std::logic_error("slices that reach outside their input need TensorRT 8.2 or newer");
#endif
    }
    return made;
  });
}

ILayer* add_cast(INetworkDefinition* n, ITensor* x, int32_t type) noexcept {
  return layer([&]() -> ILayer* {
#if API_AT_LEAST(806)
    return n->addCast(*x, static_cast<DataType>(type));
#else
    auto* made = n->addIdentity(*x);
    if (made != nullptr) made->setOutputType(0, static_cast<DataType>(type));
    return made;
#endif
  });
}

// `scale` holds one element, or one per length of `axis`; types are float (or half) on one side and int8 on the other.
ILayer* add_quantize(INetworkDefinition* n, ITensor* x, ITensor* scale, int32_t axis) noexcept {
  return layer([&] {
#if API_AT_LEAST(1013)
    auto* made = n->addQuantize(*x, *scale, DataType::kINT8);
#else
    auto* made = n->addQuantize(*x, *scale);
#endif
    if (made != nullptr && axis >= 0) made->setAxis(axis);
    return made;
  });
}
ILayer* add_dequantize(INetworkDefinition* n, ITensor* x, ITensor* scale, int32_t axis, int32_t type) noexcept {
  return layer([&] {
#if API_AT_LEAST(1013)
    auto* made = n->addDequantize(*x, *scale, static_cast<DataType>(type));
#else
    static_cast<void>(type);
    auto* made = n->addDequantize(*x, *scale);
#endif
    if (made != nullptr && axis >= 0) made->setAxis(axis);
    return made;
  });
}

ILayer* add_resize(INetworkDefinition* n, ITensor* x, Shape const* to, int32_t linear, int32_t coordinates,
                   int32_t rounding) noexcept {
  return layer([&] {
    auto* made = n->addResize(*x);
    if (made != nullptr) {
      made->setOutputDimensions(dims(*to));
      made->setResizeMode(linear != 0 ? ResizeModeOf::kLINEAR : ResizeModeOf::kNEAREST);
      made->setCoordinateTransformation(static_cast<ResizeCoordinateTransformation>(coordinates));
      made->setNearestRounding(static_cast<ResizeRoundMode>(rounding));
    }
    return made;
  });
}

// --- Runtime -----------------------------------------------------------------------------------------------------

IRuntime* runtime_create(Entry entry, void* logger) noexcept {
  return guarded<IRuntime*>(nullptr, [&] { return static_cast<IRuntime*>(entry(logger, NV_TENSORRT_VERSION)); });
}
void runtime_destroy(IRuntime* runtime) noexcept { delete runtime; }
int32_t runtime_dla_cores(IRuntime* runtime) noexcept { return runtime->getNbDLACores(); }
int32_t runtime_dla(IRuntime* runtime, int32_t core) noexcept {
  return done([&] { runtime->setDLACore(core); });
}
ICudaEngine* runtime_engine(IRuntime* runtime, void const* data, uint64_t size) noexcept {
  return guarded<ICudaEngine*>(nullptr, [&] { return runtime->deserializeCudaEngine(data, size); });
}
void engine_destroy(ICudaEngine* engine) noexcept { delete engine; }

// One input or output of an engine.
struct Port {
  char const* name;
  int32_t input;
  int32_t type;
  int32_t format;
  Shape at;
};

int32_t engine_ports(ICudaEngine* engine) noexcept {
#if API_AT_LEAST(805)
  return engine->getNbIOTensors();
#else
  return engine->getNbBindings();
#endif
}

int32_t engine_port(ICudaEngine* engine, int32_t index, Port* out) noexcept {
  return status([&] {
#if API_AT_LEAST(805)
    char const* name = engine->getIOTensorName(index);
    if (name == nullptr) return false;
    *out = Port{name, engine->getTensorIOMode(name) == TensorIOMode::kINPUT ? 1 : 0, number(engine->getTensorDataType(name)),
                number(engine->getTensorFormat(name)), shape(engine->getTensorShape(name))};
#else
    char const* name = engine->getBindingName(index);
    if (name == nullptr) return false;
    *out = Port{name, engine->bindingIsInput(index) ? 1 : 0, number(engine->getBindingDataType(index)),
                number(engine->getBindingFormat(index)), shape(engine->getBindingDimensions(index))};
#endif
    return true;
  });
}

// An execution context with what it was told to read and write.
struct Context {
  IExecutionContext* inner;
  std::vector<void*> bindings;
};

Context* context_create(ICudaEngine* engine) noexcept {
  return guarded<Context*>(nullptr, [&]() -> Context* {
    IExecutionContext* inner = engine->createExecutionContext();
    if (inner == nullptr) return nullptr;
    return new Context{inner, std::vector<void*>(static_cast<std::size_t>(engine_ports(engine)))};
  });
}
void context_destroy(Context* context) noexcept {
  delete context->inner;
  delete context;
}
int32_t context_bind(Context* context, int32_t index, char const* name, void* address) noexcept {
  return status([&] {
    context->bindings.at(static_cast<std::size_t>(index)) = address;
#if API_AT_LEAST(805)
    return context->inner->setTensorAddress(name, address);
#else
    static_cast<void>(name);
    return true;
#endif
  });
}
int32_t context_enqueue(Context* context, void* stream) noexcept {
  return status([&] {
    auto* const on = static_cast<cudaStream_t>(stream);
#if API_AT_LEAST(805)
    return context->inner->enqueueV3(on);
#else
    return context->inner->enqueueV2(context->bindings.data(), on, nullptr);
#endif
  });
}

char const* last_exception() noexcept { return g_exception; }

// --- The table ---------------------------------------------------------------------------------------------------

#define TABLE(X)                                                                                                        \
  X(last_exception) X(logger_create) X(builder_create) X(builder_destroy) X(builder_dla_cores) X(network_create)         \
  X(network_destroy) X(network_layers) X(network_layer) X(config_create) X(config_destroy) X(config_flag)                \
  X(config_memory) X(config_level) X(config_dla) X(config_can_run_on_dla) X(config_layer_on_gpu) X(monitor_create)       \
  X(monitor_destroy) X(config_monitor) X(timing_cache_create) X(timing_cache_serialize) X(timing_cache_destroy)          \
  X(build) X(memory_data) X(memory_size) X(memory_destroy) X(network_input) X(network_output) X(tensor_shape)            \
  X(tensor_type) X(tensor_name) X(tensor_io) X(tensor_range) X(layer_output) X(layer_input) X(layer_name) X(layer_get_name) \
  X(layer_precision) X(add_constant) X(add_convolution) X(add_deconvolution) X(add_pooling) X(add_activation)            \
  X(add_scale) X(add_parametric_relu) X(add_elementwise) X(add_unary) X(add_lrn) X(add_reduce) X(add_softmax)            \
  X(add_concatenation) X(add_matrix_multiply) X(add_shuffle) X(add_slice) X(add_cast) X(add_quantize) X(add_dequantize)  \
  X(add_resize) X(runtime_create) X(runtime_destroy) X(runtime_dla_cores) X(runtime_dla) X(runtime_engine)               \
  X(engine_destroy) X(engine_ports) X(engine_port) X(context_create) X(context_destroy) X(context_bind)                  \
  X(context_enqueue)

struct Table {
  // In bytes; Rust compares it with its own.
  uint64_t size;
  int32_t rtx, major, minor, patch;
  // Whether types are set per tensor and layer, or follow from the inputs.
  int32_t weak_types;
  int32_t reserved;
#define FIELD(name) decltype(&::name) name##_;
  TABLE(FIELD)
};

}  // namespace

extern "C" __attribute__((visibility("hidden"))) void const* TVM_DLA_SHIM() noexcept {
#define ADDRESS(name) &::name,
  static constexpr Table table{sizeof(Table), IS_RTX, NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH, HAS_WEAK_TYPES, 0,
                               TABLE(ADDRESS)};
  return &table;
}
