//! `assay doctor`.

mod checks;

use crate::args::DoctorArgs;
use crate::device;
use crate::exit::{Failure, Outcome, Unhealthy};
use crate::ui::Ui;
use assay_gpu::{Cuda, Least, Search};
use assay_prover::backend::{Backend, Cpu, conformance};
use checks::{Check, Verdict};
use serde_json::{Value, json};

/// Sizes of the self-check go up to two to the first; then there are large cases of two to the second, on a real device
/// and on an emulated one.
const CHECK_LOG: u32 = 12;
const LARGE_LOG: [u32; 2] = [20, 13];

/// Says what this machine proves with, checks that a device computes what the processor does, and looks at what a
/// service needs.
pub async fn doctor(ui: &Ui, args: DoctorArgs) -> Outcome {
    let Search { tried, unwanted, library, devices, backend } = device::search();
    let check = backend.as_ref().map(|cuda| check(ui, cuda)).transpose()?;

    let processor = Cpu.name();
    let mut lines = vec![format!("processor  {processor}")];
    let mut devices_json = Vec::new();
    if *unwanted {
        lines.push("device     none, as ASSAY_GPU_LIBRARY says".to_owned());
    }
    if let Some(library) = library {
        lines.push(format!("library    {}", library.display()));
    }
    for (number, device) in devices.iter().enumerate() {
        let (name, memory_gib, emulated) = (&device.name, device.memory_bytes >> 30, device.emulated);
        let architecture = format!("{}.{}", device.architecture / 10, device.architecture % 10);
        let emulated_text = if emulated { ", emulated by the processor" } else { "" };
        let multiprocessors = device.multiprocessors;
        lines.push(format!(
            "device {number}   {name}: {memory_gib} GiB, compute capability {architecture}, \
            {multiprocessors} multiprocessors{emulated_text}"
        ));
        devices_json.push(json!({
            "number": number, "name": name, "memory_bytes": device.memory_bytes, "architecture": architecture,
            "multiprocessors": multiprocessors, "emulated": emulated,
        }));
    }
    lines.extend(tried.iter().map(|(path, reason)| format!("no device  {}: {reason}", path.display())));
    let verdict = match &check {
        None => "the processor proves".to_owned(),
        Some(Ok(())) => "the device proves; it computes what the processor does".to_owned(),
        Some(Err(reason)) => format!("DO NOT USE the device: {reason}"),
    };
    lines.push(verdict.clone());
    let checks = checks::all(ui, &args).await;
    lines.extend(checks.iter().map(Check::line));
    let tried: Vec<Value> =
        tried.iter().map(|(path, reason)| json!({ "library": path, "reason": reason.to_string() })).collect();
    let works = check.as_ref().map(Result::is_ok);
    ui.finish(
        json!({ "processor": processor, "library": library, "devices": devices_json, "tried": tried, "unwanted": unwanted, "device_works": works, "checks": checks }),
        lines.join("\n"),
    );
    if works == Some(false) {
        return Err(Unhealthy(verdict).into());
    }
    let faults = checks.iter().filter(|check| check.verdict == Verdict::Fault).count();
    if faults > 0 {
        Err(Unhealthy(format!("{faults} of {} checks found a fault", checks.len())).into())
    } else {
        Ok(())
    }
}

/// The same work on the device, however small, and on the processor: what is wrong, if anything.
fn check(ui: &Ui, cuda: &Cuda) -> Outcome<Result<(), String>> {
    ui.phase("check the device", |_| {
        let cuda = cuda.with_least(Least::EVERYTHING);
        let device = cuda.device();
        let [real, emulated] = LARGE_LOG;
        let large = if device.description().emulated { emulated } else { real };
        let same = conformance::all(&cuda, &Cpu, CHECK_LOG).and_then(|()| conformance::large(&cuda, &Cpu, large));
        let [done, refused] = device.calls();
        Ok::<_, Failure>(match same {
            Err(mismatch) => Err(mismatch.to_string()),
            // right, but by the processor
            Ok(()) if device.has_failed() => Err("it failed: see the log (ASSAY_LOG=warn)".to_owned()),
            Ok(()) if refused > 0 || done == 0 => {
                Err(format!("it had no memory for {refused} of {} calls", done + refused))
            }
            Ok(()) => Ok(()),
        })
    })
}
