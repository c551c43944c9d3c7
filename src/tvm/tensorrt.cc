// What code written for TVM's own TensorRT backend expects of the compiler: the pass configuration
// `relay.ext.tensorrt.options` and the target kind `tensorrt`. A TVM that was built with that backend has both, and then
// nothing is registered here.

#include <tvm/ir/attrs.h>
#include <tvm/ir/transform.h>
#include <tvm/target/target.h>
#include <tvm/target/target_kind.h>

namespace tvm {
namespace dla {

// The fields and defaults of TVM's TensorRTCompilerConfig.
struct TensorRTOptionsNode : public AttrsNode<TensorRTOptionsNode> {
  Array<Integer> tensorrt_version;
  bool use_implicit_batch;
  size_t max_workspace_size;
  bool remove_no_mac_subgraphs;
  bool use_fp16;
  bool use_uint8;

  TVM_DECLARE_ATTRS(TensorRTOptionsNode, "tvm_dla.TensorRTOptions") {
    TVM_ATTR_FIELD(tensorrt_version)
        .describe("TensorRT version as (major, minor, patch)")
        .set_default(Array<Integer>({6, 0, 1}));
    TVM_ATTR_FIELD(use_implicit_batch).set_default(true);
    TVM_ATTR_FIELD(max_workspace_size).set_default(size_t(1) << 30);
    TVM_ATTR_FIELD(remove_no_mac_subgraphs).set_default(false);
    TVM_ATTR_FIELD(use_fp16).set_default(false);
    TVM_ATTR_FIELD(use_uint8).set_default(false);
  }
};

class TensorRTOptions : public Attrs {
 public:
  TVM_DEFINE_NOTNULLABLE_OBJECT_REF_METHODS(TensorRTOptions, Attrs, TensorRTOptionsNode);
};

TVM_REGISTER_NODE_TYPE(TensorRTOptionsNode);

constexpr const char* kOptions = "relay.ext.tensorrt.options";
constexpr const char* kKind = "tensorrt";

bool RegisterOptions() {
  if (transform::PassContext::ListConfigs().count(kOptions)) return false;
  transform::PassContext::RegisterConfigOption<TensorRTOptions>(kOptions);
  return true;
}

bool RegisterKind() {
  if (TargetKind::Get(kKind)) return false;
  TVM_REGISTER_TARGET_KIND(kKind, kDLCUDA)
      .set_attr<Bool>(attr::kIsExternalCodegen, Bool(true))
      .add_attr_option<Array<Integer>>("tensorrt_version", Array<Integer>())
      .add_attr_option<Bool>("use_implicit_batch", Bool(true))
      .add_attr_option<Integer>("max_workspace_size", Integer(1 << 30))
      .add_attr_option<Bool>("remove_no_mac_subgraphs", Bool(false))
      .add_attr_option<Bool>("use_fp16", Bool(false))
      .add_attr_option<Bool>("use_uint8", Bool(false));
  return true;
}

[[maybe_unused]] const bool options_are_ours = RegisterOptions();
[[maybe_unused]] const bool kind_is_ours = RegisterKind();

}  // namespace dla
}  // namespace tvm
