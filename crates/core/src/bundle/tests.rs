use super::*;
use crate::graph::{Activation, Conv2d, GraphBuilder, Op, Padding2d};
use crate::plan::{Device, Share};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sample() -> Bundle {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[2, 3, 4, 4]);
    let w = b.weight("w", &[2, 3, 1, 1], (0..6).map(|i| i as f32).collect());
    let bias = b.weight("b", &[2], vec![0.5, -0.5]);
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let c = b.node("c", conv, &[x, w]).unwrap();
    let a = b.node("a", Op::BiasAdd { axis: 1 }, &[c, bias]).unwrap();
    let clip = Op::Activation(Activation::Clip { min: 0.0, max: 6.0 });
    let y = b.node("y", clip, &[a]).unwrap();
    b.output(y);
    Bundle {
        graph: b.finish().unwrap(),
        options: Options {
            gpu_only: vec!["softmax".to_string()],
            preprocess: Some("imagenet".parse().unwrap()),
            ..Options::default()
        },
        plan: Some(Plan::merged(vec![Share {
            device: Device::Dla(1),
            batch: 2,
            rounds: 1,
        }])),
        origin: Some(Origin {
            ranges: BTreeMap::from([("y".to_string(), 6.0), ("x".to_string(), 0.1)]),
            inputs: vec![Port {
                integer: Some(Affine {
                    dtype: Integer::U8,
                    scale: 0.0078125,
                    zero_point: 128,
                }),
                axes: Some(vec![0, 3, 1, 2]),
            }],
            outputs: vec![Port::PLAIN],
        }),
        kept: Vec::new(),
    }
}

/// Rewrites the header and signs the result, so that only the header is wrong.
fn with_header(edit: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = sample().to_bytes();
    let length = u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[PREAMBLE..PREAMBLE + length]).unwrap();
    edit(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    let weights = &bytes[(PREAMBLE + length).next_multiple_of(ALIGN)..];
    let mut out = bytes[..12].to_vec();
    out.extend((header.len() as u64).to_le_bytes());
    out.extend([0; 32]);
    out.extend(header);
    out.resize(out.len().next_multiple_of(ALIGN), 0);
    out.extend(weights);
    sign(out)
}

fn sign(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Sha256::digest(&bytes[PREAMBLE..]);
    bytes[PREAMBLE - 32..PREAMBLE].copy_from_slice(&digest);
    bytes
}

#[test]
fn a_bundle_reads_back_as_it_was() {
    let bundle = sample();
    let bytes = bundle.to_bytes();
    let back = Bundle::from_bytes(&bytes).unwrap();
    assert_eq!(back, bundle);
    assert_eq!(back.to_bytes(), bytes, "writing is deterministic");
    assert_eq!(back.digest(), bundle.digest());
    assert_eq!(bundle.digest().len(), 64);
}

#[test]
fn every_single_damaged_byte_is_found() {
    let bytes = sample().to_bytes();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Bundle::from_bytes(&damaged).is_err(), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(Bundle::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn each_way_to_be_wrong_has_its_error() {
    let good = sample().to_bytes();
    let mut newer = good.clone();
    newer[8] += 1;
    let mut longer = good.clone();
    longer.extend([0; 4]);
    let mut huge = good.clone();
    huge[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (
            b"ELF and more than eight".to_vec(),
            "not a tvm-dla bundle",
            "another file",
        ),
        (vec![], "truncated", "an empty file"),
        (newer, "format 5 is not format 4", "a newer format"),
        (huge, "truncated", "a header longer than any file"),
        (longer.clone(), "digest", "bytes appended"),
        (sign(longer), "4 bytes follow", "bytes appended and signed"),
        (
            with_header(|h| h["nodes"][0]["output"] = 99.into()),
            "outside the",
            "an id that does not exist",
        ),
        (
            with_header(|h| h["nodes"][0]["op"] = "conv9d".into()),
            "header",
            "an unknown operator",
        ),
        (
            with_header(|h| h["extra"] = 1.into()),
            "unknown field `extra`",
            "an unknown key",
        ),
        (
            with_header(|h| h["tensors"][1]["shape"][0] = (1u64 << 60).into()),
            "truncated",
            "a weight larger than memory",
        ),
        (
            with_header(|h| h["tensors"][0]["shape"][2] = 5.into()),
            "stated as",
            "a shape that does not follow",
        ),
        (
            with_header(|h| h["inputs"] = serde_json::json!([])),
            "no input",
            "no input",
        ),
        (
            with_header(|h| h["plan"]["prefix"][0]["device"] = "tpu".into()),
            "tpu",
            "an unknown device",
        ),
        (
            with_header(|h| h["origin"]["ranges"]["z"] = 1.0.into()),
            "range of `z`, which is no tensor",
            "a range of nothing",
        ),
        (
            with_header(|h| h["origin"]["ranges"]["y"] = 0.0.into()),
            "range 0 of tensor `y`",
            "a range that is no range",
        ),
        (
            with_header(|h| h["origin"]["outputs"] = serde_json::json!([])),
            "0 types of 1 outputs",
            "an output of unknown type",
        ),
        (
            with_header(|h| h["origin"]["inputs"][0]["integer"]["zero_point"] = 256.into()),
            "zero point 256 is outside 0 to 255",
            "a zero point that is no uint8",
        ),
        (
            with_header(|h| h["origin"]["inputs"][0]["integer"]["scale"] = 0.into()),
            "scale 0 is not",
            "a scale that is no scale",
        ),
        (
            with_header(|h| h["origin"]["inputs"][0]["axes"][1] = 2.into()),
            "input 0: the axes [0, 2, 1, 2] are no order of 4",
            "an axis twice",
        ),
    ];
    for (bytes, want, why) in cases {
        let error = Bundle::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Bundle::from_bytes(&bytes);
    }

    #[test]
    fn signed_damage_is_an_error_or_a_valid_network(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = sample().to_bytes();
        for (at, value) in edits {
            let at = PREAMBLE + at.index(bytes.len() - PREAMBLE);
            bytes[at] = value;
        }
        if let Ok(bundle) = Bundle::from_bytes(&sign(bytes)) {
            prop_assert!(bundle.graph.validate().is_ok());
        }
    }
}

#[test]
fn options_parse_or_say_what_is_near() {
    let parse = |pairs: &[(&str, &str)]| {
        let given: BTreeMap<String, String> = pairs
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        Options::parse(&given)
    };
    assert_eq!(
        parse(&[("chip", "")]),
        Ok(Options::default()),
        "empty means default"
    );
    let orin = parse(&[
        ("chip", "orin"),
        ("tensorrt", "10.3"),
        ("precision", "int8"),
        ("cores", "1,0"),
    ]);
    assert_eq!(orin.unwrap().cores, [0, 1]);
    let board = parse(&[("board", "orin-nx"), ("power", "25W")]).unwrap();
    let named = board.board.clone().unwrap();
    assert_eq!(
        (named.name.as_str(), named.power.as_deref()),
        ("orin-nx", Some("25W"))
    );
    let json = serde_json::to_string(&board).unwrap();
    assert_eq!(serde_json::from_str::<Options>(&json).unwrap(), board);
    let bare = serde_json::to_string(&Options::default()).unwrap();
    assert!(
        !bare.contains("board"),
        "bundles without a board are as they were: {bare}"
    );
    let cases = [
        (("precison", "fp16"), "the nearest is `precision`"),
        (("precison", ""), "the nearest is `precision`"),
        (("precision", "fp32"), "use fp16 or int8"),
        (("cores", "2"), "list of DLA cores"),
        (("cores", "0,0"), "list of DLA cores"),
        (("tensorrt", "10.3"), "no such DLA"),
        (("tensorrt", "eight"), "write it like 8.5.2"),
        (("preprocess", "imagnet"), "unit-symmetric"),
        (("power", "15W"), "name it with the option board"),
    ];
    for (pair, want) in cases {
        let error = parse(&[pair]).unwrap_err().to_string();
        assert!(error.contains(want), "{pair:?}: {error}");
    }
}

#[test]
fn a_plan_is_put_in_and_taken_out_without_moving_anything() {
    let bare = Bundle {
        plan: None,
        ..sample()
    };
    let mut bytes = bare.to_bytes();
    let plans = [
        "gpu=16x4",
        "gpu=16x12,gpu=5x1,dla0=16x10,dla1=16x10,suffix=517,mode=pipelined,engines=2,cut=a_node",
    ];
    for text in plans {
        let plan: Plan = text.parse().unwrap();
        embed(&mut bytes, Some(plan.clone())).unwrap();
        let want = Bundle {
            plan: Some(plan),
            ..sample()
        };
        assert_eq!(Bundle::from_bytes(&bytes).unwrap(), want);
        assert_eq!(bytes, want.to_bytes(), "as if it had been written with this plan");
    }
    embed(&mut bytes, None).unwrap();
    assert_eq!(bytes, bare.to_bytes());
    let long = vec![
        Share {
            device: Device::Gpu,
            batch: 1,
            rounds: 1
        };
        60
    ];
    let error = embed(&mut bytes, Some(Plan::merged(long))).unwrap_err();
    assert!(error.to_string().contains("has no room for this plan"), "{error}");
    assert_eq!(bytes, bare.to_bytes(), "a refusal changes nothing");
    assert!(embed(&mut bytes[1..], None).is_err());
}

#[test]
fn integers_stand_for_reals_and_a_dla_needs_a_range() {
    use Integer::{I8, U8};
    let cases = [
        (I8, 0, 127.0, "symmetric int8: the same steps"),
        (U8, 128, 127.0, "uint8 around its middle: the same steps"),
        (U8, 0, 255.0, "a folded ReLU: all steps on one side"),
        (I8, -128, 255.0, "the same in int8"),
        (U8, 100, 155.0, "the longer side counts, above"),
        (I8, 27, 155.0, "and below"),
    ];
    for (dtype, zero_point, steps, why) in cases {
        let affine = Affine {
            dtype,
            scale: 0.5,
            zero_point,
        };
        assert_eq!(affine.range(), steps * 0.5, "{why}");
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(
            affine.bytes(&affine.reals(&bytes)),
            bytes,
            "{why}: exact both ways"
        );
        let (low, high) = affine.interval();
        let ends = affine.reals(&affine.bytes(&[low - 3.0, high + 3.0, 0.0]));
        assert_eq!(ends, [low, high, 0.0], "{why}: saturates, and zero is exact");
    }
}

#[test]
fn a_bundle_of_the_version_before_says_of_an_output_its_integers() {
    let affine = Affine {
        dtype: Integer::I8,
        scale: 0.5,
        zero_point: 3,
    };
    let integer = serde_json::to_value(affine).unwrap();
    for (entry, want) in [(serde_json::Value::Null, None), (integer, Some(affine))] {
        let mut bytes = with_header(|h| h["origin"]["outputs"][0] = entry.clone());
        bytes[8..12].copy_from_slice(&3u32.to_le_bytes());
        let bundle = Bundle::from_bytes(&bytes).unwrap();
        let port = &bundle.origin.as_ref().unwrap().outputs[0];
        assert_eq!((port.integer, port.axes.as_ref()), (want, None));
        assert_eq!(Bundle::from_bytes(&bundle.to_bytes()), Ok(bundle));
    }
}

#[test]
fn a_port_puts_axes_in_order_and_back() {
    let port = Port {
        integer: None,
        axes: Some(vec![0, 3, 1, 2]),
    };
    let data: Vec<f32> = (0..24).map(|v| v as f32).collect();
    let (network, moved) = port.into_network(&[1, 2, 3, 4], &data);
    assert_eq!(network, [1, 4, 2, 3]);
    assert_eq!(moved[..3], [0.0, 4.0, 8.0], "the first channel");
    assert_eq!(port.declared(&network), [1, 2, 3, 4]);
    let back = port.into_model(&network, &moved);
    assert_eq!(back, (vec![1, 2, 3, 4], data));
}

#[test]
fn a_tensorrt_without_a_dla_on_this_chip_is_refused() {
    let given = |chip: &str, tensorrt: &str| {
        let pairs = [("chip", chip), ("tensorrt", tensorrt)];
        let pairs = pairs.map(|(name, value)| (name.to_string(), value.to_string()));
        Options::parse(&pairs.into())
    };
    for (chip, tensorrt, has) in [
        ("xavier", "8.5.2", true),
        ("xavier", "8.6.0", false),
        ("orin", "10.7.0", true),
        ("orin", "10.8.0", false),
        ("orin", "11.3.0", false),
        ("orin", "11.4.0", false),
        ("orin", "11.4.1", true),
    ] {
        let found = given(chip, tensorrt);
        assert_eq!(found.is_ok(), has, "{chip} {tensorrt}: {found:?}");
    }
}
