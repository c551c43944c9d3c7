// The options of the target `dla`, as TVM wants them: a node with reflected fields.
//
// tvmc turns every String field into a `--target-dla-<field>` flag and accepts the same names in
// `--target "dla -<field>=value, llvm"`; both reach the plugin through this pass configuration.
// All fields are strings because tvmc hands inline values over as strings, and an empty one means
// "not given": they are parsed, once, by the Rust side (`tvm_dla.parse_options`).
//
// Only this unit needs libtvm's compiler symbols, so it is a library of its own: the plugin proper
// also loads where only libtvm_runtime is.

#include <tvm/ir/attrs.h>
#include <tvm/ir/transform.h>
#include <tvm/runtime/container/string.h>

namespace tvm {
namespace dla {

struct OptionsNode : public AttrsNode<OptionsNode> {
  String chip;
  String tensorrt;
  String precision;
  String cores;
  String gpu_only;
  String preprocess;
  String board;
  String power;

  TVM_DECLARE_ATTRS(OptionsNode, "tvm_dla.Options") {
    TVM_ATTR_FIELD(chip).set_default("").describe("SoC that has the DLA: xavier or orin");
    TVM_ATTR_FIELD(tensorrt).set_default("").describe("TensorRT version on the board, e.g. 8.5.2");
    TVM_ATTR_FIELD(precision).set_default("").describe("precision of the engines: fp16 or int8");
    TVM_ATTR_FIELD(cores).set_default("").describe("DLA cores to use, e.g. 0,1");
    TVM_ATTR_FIELD(gpu_only).set_default("").describe(
        "operators or layers to keep off the DLA, separated by commas");
    TVM_ATTR_FIELD(preprocess).set_default("").describe(
        "how images become inputs: none, imagenet, unit-symmetric or efficientnet-lite");
    TVM_ATTR_FIELD(board).set_default("").describe(
        "board to simulate plans for, e.g. orin-nx or agx-orin");
    TVM_ATTR_FIELD(power).set_default("").describe("that board's power mode, e.g. 15W");
  }
};

class Options : public Attrs {
 public:
  TVM_DEFINE_NOTNULLABLE_OBJECT_REF_METHODS(Options, Attrs, OptionsNode);
};

TVM_REGISTER_NODE_TYPE(OptionsNode);
TVM_REGISTER_PASS_CONFIG_OPTION("relay.ext.dla.options", Options);

}  // namespace dla
}  // namespace tvm
