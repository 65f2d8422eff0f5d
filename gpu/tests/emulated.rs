//! The whole way to the device and back, on a library in which the processor plays the device: the kernels' own
//! sources, compiled by `gpu/cuda/build.sh --emulated`.

use assay_circuits::{Fr, sample};
use assay_gpu::library::{DeviceError, Library};
use assay_gpu::{Cuda, Least, search};
use assay_prover::backend::{Backend, Cpu, Reference, conformance};
use assay_prover::control::Control;
use assay_prover::native;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapProvingKey};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};

/// The emulated library, or why there is none.
static LIBRARY: LazyLock<Option<(PathBuf, Arc<Library>)>> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("assay-gpu");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda/build.sh");
    if Command::new(compiler()).arg("--version").output().is_err() {
        println!("skipped: there is no C++ compiler ({}) for the emulated device", compiler());
        return None;
    }
    let built = Command::new("bash").arg(script).arg("--emulated").arg(&folder).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let path = folder.join("libassay_gpu_emulated.so");
    let library = Library::load(&path).unwrap();
    Some((path, library))
});

fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "g++".to_owned())
}

/// All work goes to the emulated device.
fn emulated() -> Option<Cuda> {
    let (_, library) = LIBRARY.as_ref()?;
    Some(Cuda::new(library, 0, Least::EVERYTHING).unwrap())
}

#[test]
fn the_device_is_the_reference() {
    let Some(cuda) = emulated() else { return };
    conformance::all(&cuda, &Reference, 8).unwrap();
    assert!(!cuda.device().has_failed());
    assert!(cuda.device().description().emulated && cuda.name().contains("emulated"));
}

#[test]
fn the_device_is_the_processor() {
    let Some(cuda) = emulated() else { return };
    conformance::all(&cuda, &Cpu, 11).unwrap();
    let [done, refused] = cuda.device().calls();
    assert!(
        !cuda.device().has_failed() && done > 500 && refused == 0,
        "nothing was left to the processor: {done} {refused}"
    );
}

/// With little memory sums are made in parts, with none by the processor; all are right.
#[test]
fn a_full_device_costs_no_result() {
    let Some(cuda) = emulated() else { return };
    for bytes in [1 << 22, 1 << 20, 1 << 17, 1] {
        cuda.device().limit_memory(bytes).unwrap();
        conformance::all(&cuda, &Cpu, 11).unwrap_or_else(|e| panic!("{bytes} bytes: {e}"));
        assert!(!cuda.device().has_failed(), "a full device is no failed one");
    }
    assert!(cuda.device().calls()[1] > 0);
    cuda.device().limit_memory(0).unwrap();
    conformance::msm(&cuda, &Cpu, 10).unwrap();
}

/// A device that dies in the middle of a sumcheck, of a sum or of a quotient: the processor goes on from there.
#[test]
fn a_device_that_fails_costs_no_result() {
    let Some((emulated, _)) = LIBRARY.as_ref() else { return };
    let path = emulated.with_file_name("libassay_gpu_failing.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/failing.cpp");
    let built = Command::new(compiler())
        .args(["-std=c++17", "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", source])
        .args([emulated.as_os_str(), OsStr::new("-ldl"), OsStr::new("-o"), path.as_os_str()])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let library = Library::load(&path).unwrap();
    type Check = fn(&Cuda) -> Result<(), conformance::Mismatch>;
    let checks: [Check; 4] = [
        |cuda| conformance::product(cuda, &Cpu, 9),
        |cuda| conformance::fractions(cuda, &Cpu),
        |cuda| (0..3).try_for_each(|_| conformance::msm_small(cuda, &Cpu, 9)),
        |cuda| conformance::quotients(cuda, &Cpu, 4),
    ];
    for check in checks {
        let cuda = Cuda::new(&library, 0, Least::EVERYTHING).unwrap();
        check(&cuda).unwrap();
        assert!(cuda.device().has_failed());
        // and whatever comes after
        conformance::all(&cuda, &Cpu, 8).unwrap();
    }
}

/// Lengths that do not fit are refused here and not tried.
#[test]
fn wrong_lengths_are_errors() {
    let Some(cuda) = emulated() else { return };
    let mut three = [Fr::from(1u64); 3];
    assert!(matches!(cuda.device().to_values(2, &mut three, None), Err(DeviceError::Argument(_))));
}

/// The same proof, whatever computes it: proven on the device, verified as always; inner, universal and Groth16.
#[test]
fn proofs_of_a_device_verify() {
    let Some(cuda) = emulated() else { return };
    let (architecture, weights) = sample::mlp(16, 2);
    let srs = |log| Srs::development(log).on(Arc::new(cuda.clone()));
    let package = || Package::new(Metadata::default(), architecture.clone(), weights.clone(), 8, &srs(8)).unwrap();
    let shape = package().model.shape;
    let input = sample::random_input(&shape.architecture, 5);
    for system in System::ALL {
        let srs = srs(WrapProvingKey::srs_log(system, &shape).unwrap());
        let key = match system {
            System::Universal => WrapProvingKey::universal(&shape, &srs).unwrap(),
            System::Groth16 => WrapProvingKey::development(&shape, &srs.id()).unwrap(),
        };
        let seller = Seller::new(package(), srs).unwrap().with_wrap_key(key);
        let input = InputOpening::private(&shape, input.clone());
        // both verify before they are handed out
        let (claim, proof) = seller.prove_native(&input, Fr::from(7u64), &Control::new()).unwrap();
        native::verify(&seller.package.model, &claim, &proof).unwrap();
        let (wrapped, _) = seller.prove_wrapped(&input, Fr::from(7u64), &Control::new()).unwrap();
        assert_eq!(wrapped.output, claim.output);
    }
    assert!(!cuda.device().has_failed());
}

/// Nobody gets an emulated device who did not name its library.
#[test]
fn an_emulated_device_must_be_asked_for() {
    let Some((path, _)) = LIBRARY.as_ref() else { return };
    let found = search::search(Some(path.as_os_str()), None, 0);
    assert!(found.backend.is_some() && found.devices[0].emulated);
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::copy(path, folder.path().join(search::FILE)).unwrap();
    let found = search::search(None, Some(&folder.path().join("assay")), 0);
    assert!(found.backend.is_none() && !found.tried.is_empty());
    let found = search::search(Some(path.as_os_str()), None, 3);
    assert!(found.backend.is_none(), "there is no device 3");
}
