// A TVM runtime module whose content and functions live in Rust.
// Rust hands over one table of callbacks. None of them throws; a non-zero status means that TVM's
// last error has been set. What TVM throws is turned into the same form here.

#include <dmlc/io.h>
#include <tvm/runtime/c_runtime_api.h>
#include <tvm/runtime/container/array.h>
#include <tvm/runtime/container/string.h>
#include <tvm/runtime/module.h>
#include <tvm/runtime/packed_func.h>
#include <tvm/runtime/registry.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
struct TvmDlaCallbacks {
  void* (*from_bytes)(const char* data, size_t size);
  void (*drop)(void* state);
  int (*bytes)(void* state, const char** data, size_t* size);
  int (*source)(void* state, const char** data, size_t* size);
  int (*has_function)(void* state, const char* name);
  int (*call)(void* state, const char* name, const TVMValue* values, const int* codes, int count,
              TVMRetValueHandle result);
};
extern const TvmDlaCallbacks tvm_dla_callbacks;
}

namespace {
using tvm::runtime::Module;
using tvm::runtime::ModuleNode;
using tvm::runtime::Object;
using tvm::runtime::ObjectPtr;
using tvm::runtime::PackedFunc;
using tvm::runtime::TVMArgs;
using tvm::runtime::TVMRetValue;

#if TVM_DLA_STRING_NAMES
using Name = tvm::runtime::String;
#else
using Name = std::string;
#endif

void Require(int status) {
  if (status != 0) throw std::runtime_error(TVMGetLastError());
}

class DlaModuleNode : public ModuleNode {
 public:
  // `framed`: saved bytes are written with their length in front.
  DlaModuleNode(void* state, const char* type_key, bool framed)
      : state_(state, tvm_dla_callbacks.drop), type_key_(type_key), framed_(framed) {}
  const char* type_key() const final { return type_key_.c_str(); }

  PackedFunc GetFunction(const Name& name, const ObjectPtr<Object>& self) final {
    std::string function = name;
    if (!tvm_dla_callbacks.has_function(state_.get(), function.c_str())) return PackedFunc();
    // `self` keeps the state alive while the function is.
    auto body = [self, function, this](TVMArgs args, TVMRetValue* result) {
      Require(tvm_dla_callbacks.call(state_.get(), function.c_str(), args.values, args.type_codes,
                                     args.num_args, result));
    };
    return PackedFunc(body);
  }

  void SaveToBinary(dmlc::Stream* stream) final {
    const char* data = nullptr;
    size_t size = 0;
    Require(tvm_dla_callbacks.bytes(state_.get(), &data, &size));
    if (framed_) {
      stream->Write(std::string(data, size));
    } else {
      stream->Write(data, size);
    }
  }

  Name GetSource(const Name& format) final {
    const char* data = nullptr;
    size_t size = 0;
    Require(tvm_dla_callbacks.source(state_.get(), &data, &size));
    return std::string(data, size);
  }

#if TVM_DLA_PROPERTY_MASK
  int GetPropertyMask() const final {
    return tvm::runtime::ModulePropertyMask::kBinarySerializable |
           tvm::runtime::ModulePropertyMask::kRunnable;
  }
#endif

 private:
  std::unique_ptr<void, void (*)(void*)> state_;
  std::string type_key_;
  bool framed_;
};

Module MakeModule(void* state, const char* type_key, bool framed) {
  return Module(tvm::runtime::make_object<DlaModuleNode>(state, type_key, framed));
}

Module LoadFromBinary(void* opaque) {
  auto* stream = static_cast<dmlc::Stream*>(opaque);
  std::string bytes;
  if (!stream->Read(&bytes)) throw std::runtime_error("tvm-dla: the artifact is truncated");
  void* state = tvm_dla_callbacks.from_bytes(bytes.data(), bytes.size());
  if (state == nullptr) throw std::runtime_error(TVMGetLastError());
  return MakeModule(state, "dla", true);
}

// What TVM's own TensorRT modules are saved as: a symbol, a JSON graph, names of constants.
Module LoadTensorRT(void* opaque) {
  auto* stream = static_cast<dmlc::Stream*>(opaque);
  std::string symbol, graph;
  std::vector<std::string> names;
  if (!stream->Read(&symbol) || !stream->Read(&graph) || !stream->Read(&names)) {
    throw std::runtime_error("tvm-dla: the tensorrt module is truncated");
  }
  const auto* create = tvm::runtime::Registry::Get("runtime.tensorrt_runtime_create");
  if (create == nullptr) throw std::runtime_error("tvm-dla: nothing runs tensorrt modules");
  tvm::runtime::Array<tvm::runtime::String> constants;
  for (const std::string& name : names) constants.push_back(name);
  return (*create)(symbol, graph, constants);
}

template <typename Body>
int Guard(Body body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    TVMAPISetLastError(error.what());
  } catch (...) {
    TVMAPISetLastError("tvm-dla: TVM threw something that is no exception");
  }
  return -1;
}
}  // namespace

// Takes over `state`; `*handle` receives one reference to the module.
extern "C" int tvm_dla_make_module(void* state, const char* type_key, int framed,
                                   void** handle) noexcept {
  return Guard([&] {
    TVMRetValue value;
    value = MakeModule(state, type_key, framed != 0);
    TVMValue raw;
    int code = 0;
    value.MoveToCHost(&raw, &code);
    *handle = raw.v_handle;
  });
}

extern "C" int tvm_dla_register_loader() noexcept {
  return Guard([] {
    tvm::runtime::Registry::Register("runtime.module.loadbinary_dla", true)
        .set_body_typed(LoadFromBinary);
  });
}

// Unless this TVM has its own.
extern "C" int tvm_dla_register_tensorrt_loader() noexcept {
  return Guard([] {
    constexpr const char* name = "runtime.module.loadbinary_tensorrt";
    if (tvm::runtime::Registry::Get(name) != nullptr) return;
    tvm::runtime::Registry::Register(name).set_body_typed(LoadTensorRT);
  });
}
