use super::*;
use crate::engine::{Array, EngineError, Rows};
use crate::plan::Plan;
use crate::split::SuffixInput;
use std::time::Instant;

/// What an engine does at its n-th execution.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Fail(usize),
    Panic(usize),
    Hang(usize),
    ShortResult,
}

/// Computes `factor * x + 1` per element, as the devices all do.
struct Affine {
    key: EngineKey,
    factor: f32,
    fault: Fault,
    executions: usize,
    inputs: Vec<Rows>,
}

impl Engine for Affine {
    fn batch(&self) -> usize {
        self.key.batch
    }

    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError> {
        self.inputs = inputs;
        Ok(())
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        self.executions += 1;
        match self.fault {
            Fault::Fail(n) if n == self.executions => {
                return Err(EngineError {
                    stage: self.key.stage,
                    device: self.key.device,
                    message: "out of luck".to_string(),
                })
            }
            Fault::Panic(n) if n == self.executions => panic!("engine bug"),
            Fault::Hang(n) if n == self.executions => std::thread::sleep(Duration::from_secs(5)),
            _ => {}
        }
        let skip = usize::from(self.fault == Fault::ShortResult);
        let compute = |rows: &Rows| {
            let values = rows.as_slice()[skip..].iter();
            values.map(|x| self.factor * x + 1.0).collect()
        };
        Ok(self.inputs.iter().map(compute).collect())
    }
}

const GPU: Device = Device::Gpu;
const DLA0: Device = Device::Dla(0);
const DLA1: Device = Device::Dla(1);

fn pipeline(plan: &Plan, fault: impl Fn(Device) -> Fault) -> Pipeline {
    let devices = [GPU, DLA0, DLA1];
    let limit = Duration::from_millis(300);
    let mut pipeline = Pipeline::new(&devices, limit, Arc::default());
    let mut install = |device, stage, batch, factor| {
        let key = EngineKey {
            device,
            stage,
            batch,
        };
        let engine = Affine {
            key,
            factor,
            fault: fault(device),
            executions: 0,
            inputs: Vec::new(),
        };
        pipeline.install(key, Box::new(engine));
    };
    for share in &plan.prefix {
        install(share.device, StageKind::Prefix, share.batch, 2.0);
    }
    install(GPU, StageKind::Suffix, plan.suffix_batch, 3.0);
    pipeline
}

fn run(pipeline: &mut Pipeline, plan: &Plan) -> Result<Finished, PipelineError> {
    let rows = plan.total();
    let data: Vec<f32> = (0..rows * 2).map(|i| i as f32).collect();
    let inputs = [Array {
        shape: vec![rows, 2],
        data: Arc::new(data),
    }];
    pipeline.run(&Job {
        plan,
        first: StageKind::Prefix,
        inputs: &inputs,
        first_widths: vec![2],
        suffix: Some((&[SuffixInput::Cut(0)], vec![2])),
    })
}

fn expected(rows: usize) -> Vec<f32> {
    (0..rows * 2)
        .map(|i| 3.0 * (2.0 * i as f32 + 1.0) + 1.0)
        .collect()
}

#[test]
fn every_plan_gives_the_same_bits_in_input_order() {
    for text in [
        "gpu=4x3,dla0=4x3,dla1=4x3,suffix=36",
        "gpu=1x36,suffix=1",
        "dla1=2x5,gpu=3x2,dla0=20x1,suffix=12",
        "gpu=36x1,suffix=18",
    ] {
        let plan: Plan = text.parse().unwrap();
        let finished = run(&mut pipeline(&plan, |_| Fault::None), &plan).unwrap();
        assert_eq!(finished.suffix[0], expected(36), "{text}");
        assert_eq!(finished.stats.redealt(), 0);
        let rows: usize = finished.stats.devices.values().map(|d| d.rows).sum();
        assert_eq!(rows, 36, "every row counts once");
    }
}

#[test]
fn a_device_that_fails_hangs_or_panics_loses_nothing() {
    let plan: Plan = "gpu=3x4,dla0=4x3,dla1=2x6,suffix=36".parse().unwrap();
    for (fault, why) in [
        (Fault::Fail(1), "out of luck"),
        (Fault::Fail(3), "out of luck"),
        (Fault::Panic(2), "panicked"),
        (Fault::Hang(1), "no result within"),
    ] {
        let broken = |device| if device == DLA0 { fault } else { Fault::None };
        let mut pipeline = pipeline(&plan, broken);
        let finished = run(&mut pipeline, &plan).unwrap();
        assert_eq!(finished.suffix[0], expected(36), "{why}");
        let dla0 = &finished.stats.devices["dla0"];
        assert!(dla0.failure.as_ref().unwrap().contains(why), "{dla0:?}");
        assert!(
            dla0.redealt > 0 && dla0.rows + dla0.redealt == 12,
            "{dla0:?}"
        );
        assert_eq!(pipeline.devices(), [GPU, DLA1]);
        let again = run(&mut pipeline, &plan).unwrap();
        assert_eq!(
            again.suffix[0],
            expected(36),
            "the next run goes without it"
        );
    }
}

#[test]
fn what_cannot_be_completed_is_an_error_with_the_reason() {
    let plan: Plan = "gpu=3x4,dla0=4x3,suffix=24".parse().unwrap();
    let gpu = |device| {
        if device == GPU {
            Fault::Fail(1)
        } else {
            Fault::None
        }
    };
    let error = run(&mut pipeline(&plan, gpu), &plan).err().unwrap();
    assert!(
        matches!(&error, PipelineError::SuffixNeedsGpu(reason) if reason.contains("out of luck")),
        "{error}"
    );
    let short = run(&mut pipeline(&plan, |_| Fault::ShortResult), &plan).err();
    assert!(
        matches!(short, Some(PipelineError::Result { .. })),
        "{short:?}"
    );
}

#[test]
fn a_cancelled_run_ends_soon() {
    let plan: Plan = "gpu=1x2,suffix=2".parse().unwrap();
    let mut pipeline = pipeline(&plan, |_| Fault::Hang(1));
    pipeline.time_limit = Duration::from_secs(30);
    let cancel = pipeline.cancel.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let started = Instant::now();
    let error = run(&mut pipeline, &plan).err();
    canceller.join().unwrap();
    assert_eq!(error, Some(PipelineError::Cancelled));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "it does not wait for the engine"
    );
}
