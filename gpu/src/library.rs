//! The device library: loading it, and calls that are safe.
//!
//! A device is used by one thread at a time, whatever was made on it; [`Device`] has the lock. Lengths are checked
//! here, so that the library never reads beyond a slice.

#![allow(unsafe_code, reason = "a shared library's functions are called")]

use crate::words;
use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ff::FftField;
use assay_circuits::plonk::DEGREE;
use assay_prover::plonk::program::{Instruction, Operand, Program, Work};
use assay_prover::plonk::quotient::{Column, KEY_COLUMNS, Preprocessed};
use std::ffi::{CStr, OsStr, c_char, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The version of the interface that is spoken here.
pub const ABI: u32 = 2;

/// Why there is no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// There is no such file, or it is no shared library for this machine.
    #[error("cannot load it: {0}")]
    Load(String),
    /// The library lacks a function.
    #[error("it is no library of Assay's: {0}")]
    Symbol(String),
    /// Another version of the interface.
    #[error("it speaks version {have} of the interface, this program version {ABI}: build both from the same sources")]
    Version {
        /// Its version.
        have: u32,
    },
    /// No driver, or no device.
    #[error("there is no CUDA device")]
    NoDevice,
    /// The number of a device that is not there.
    #[error("there is no CUDA device {wanted}, only {count}")]
    Number {
        /// Asked for.
        wanted: u32,
        /// How many there are.
        count: u32,
    },
    /// A device that cannot be opened.
    #[error("the device cannot be used: {0}")]
    Device(DeviceError),
}

/// Why a device gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Too little memory.
    #[error("too little device memory")]
    Memory,
    /// The device or its driver failed.
    #[error("the device failed: {0}")]
    Failed(String),
    /// An argument out of its range.
    #[error("the device library refused an argument: {0}")]
    Argument(String),
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Compute capability, 90 for 9.0.
    pub architecture: u32,
    /// Whether the processor plays the device, for tests.
    pub emulated: bool,
}

#[repr(C)]
struct RawDescription {
    name: [u8; 256],
    memory_bytes: u64,
    multiprocessors: u32,
    architecture: u32,
    emulated: u32,
}

#[repr(C)]
struct RawInstruction {
    operation: u32,
    to: u32,
    operands: [u32; 2],
}

#[repr(C)]
struct RawTerm {
    constant: u32,
    operand: u32,
}

#[repr(C)]
struct RawProgram {
    instructions: *const RawInstruction,
    length: usize,
    terms: *const RawTerm,
    term_count: usize,
    constants: *const u64,
    constant_count: usize,
    registers: u32,
}

/// The most variables that a level of a tree merges.
const MAX_ARITY: usize = 2;

const _: () = assert!(size_of::<Fr>() == 4 * size_of::<u64>() && align_of::<Fr>() == align_of::<u64>());

/// The words of field elements: an element is its four words in Montgomery form, and as large as they are.
fn raw(values: &[Fr]) -> *const u64 {
    values.as_ptr().cast()
}

/// The same, to be written: any words are an element as far as memory is concerned.
fn raw_mut(values: &mut [Fr]) -> *mut u64 {
    values.as_mut_ptr().cast()
}

/// Something of the library's: a context, bases, cells, a session.
type Raw = *mut c_void;

/// What the system says, where it says more than that something failed.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

macro_rules! api {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of `assay_gpu.h`.
        struct Api {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            /// What they are in. It is never unloaded: threads of CUDA's may live on.
            _library: ManuallyDrop<libloading::Library>,
        }

        impl Api {
            fn load(path: &OsStr) -> Result<Self, Unavailable> {
                // SAFETY: initialisers of the library run; it is Assay's own, or one that the user named
                let library = unsafe { libloading::Library::new(path) }.map_err(|e| Unavailable::Load(reason(&e)))?;
                // SAFETY: this function's type never changes
                let abi: unsafe extern "C" fn() -> u32 =
                    *unsafe { library.get(b"assay_abi\0") }.map_err(|e| Unavailable::Symbol(reason(&e)))?;
                // SAFETY: no arguments
                let have = unsafe { abi() };
                if have != ABI {
                    return Err(Unavailable::Version { have });
                }
                // SAFETY: the types are those of the header of this version
                $(let $name = *unsafe { library.get(concat!("assay_", stringify!($name), "\0").as_bytes()) }
                    .map_err(|e| Unavailable::Symbol(reason(&e)))?;)*
                Ok(Self { $($name,)* _library: ManuallyDrop::new(library) })
            }
        }
    };
}

api! {
    devices: fn(*mut u32) -> i32;
    describe: fn(u32, *mut RawDescription) -> i32;
    open: fn(u32, *mut Raw) -> i32;
    close: fn(Raw);
    error: fn(Raw) -> *const c_char;
    limit_memory: fn(Raw, u64) -> i32;
    seconds: fn(Raw) -> f64;
    bases_new: fn(Raw, *const u64, usize, u32, *mut Raw) -> i32;
    bases_free: fn(Raw);
    msm: fn(Raw, usize, *const u64, usize, *mut u64) -> i32;
    msm_small: fn(Raw, *const *const i32, *const usize, usize, *mut u64) -> i32;
    bases_g2_new: fn(Raw, *const u64, usize, *mut Raw) -> i32;
    bases_g2_free: fn(Raw);
    msm_g2: fn(Raw, *const u64, usize, *mut u64) -> i32;
    to_coefficients: fn(Raw, u32, usize, *mut u64, *const u64) -> i32;
    to_values: fn(Raw, u32, usize, *mut u64, *const u64) -> i32;
    cells_new: fn(Raw, *const i32, usize, *mut Raw) -> i32;
    cells_free: fn(Raw);
    fold_rows: fn(Raw, usize, usize, usize, *const u64, *mut u64) -> i32;
    dot_rows: fn(Raw, usize, usize, usize, *const u64, *mut u64) -> i32;
    product_new: fn(Raw, *const u64, *const u64, usize, *mut Raw) -> i32;
    product_free: fn(Raw);
    product_message: fn(Raw, *mut u64) -> i32;
    product_bind: fn(Raw, *const u64) -> i32;
    product_first: fn(Raw, *mut u64) -> i32;
    tree_new: fn(Raw, *const u64, usize, *const u32, *const i32, usize, *const u32, usize, *mut Raw, *mut u64) -> i32;
    tree_free: fn(Raw);
    level_begin: fn(Raw, u32, *const u64, *const u64, u32, *mut u64) -> i32;
    level_bind: fn(Raw, *const u64, *mut u64) -> i32;
    level_children: fn(Raw, *mut u64) -> i32;
    quotients_new: fn(Raw, u32, u32, *const u64, *const *const u64, usize, *mut Raw) -> i32;
    quotients_free: fn(Raw);
    quotient: fn(Raw, *const *const u64, usize, *const u64, usize, *const RawProgram, *const u64, *mut u64) -> i32;
}

/// A loaded library.
pub struct Library(Api);

impl Library {
    /// Loads it. Errors: [`Unavailable`].
    pub fn load(path: impl AsRef<OsStr>) -> Result<Arc<Self>, Unavailable> {
        Ok(Arc::new(Self(Api::load(path.as_ref())?)))
    }

    /// The devices that there are. Errors: [`Unavailable::Device`].
    pub fn devices(&self) -> Result<Vec<Description>, Unavailable> {
        (0..self.count()?).map(|device| self.describe(device)).collect()
    }

    fn count(&self) -> Result<u32, Unavailable> {
        let mut count = 0;
        // SAFETY: the pointer is valid for a write
        self.check(unsafe { (self.0.devices)(&mut count) })?;
        Ok(count)
    }

    /// The error of a call without a context.
    fn check(&self, status: i32) -> Result<(), Unavailable> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: without a context it says what failed last on this thread, in a string that lives until the next call
        let words = unsafe { CStr::from_ptr((self.0.error)(null_mut())) }.to_string_lossy().into_owned();
        Err(Unavailable::Device(error_of(status, words)))
    }

    fn describe(&self, device: u32) -> Result<Description, Unavailable> {
        let mut raw =
            RawDescription { name: [0; 256], memory_bytes: 0, multiprocessors: 0, architecture: 0, emulated: 0 };
        // SAFETY: the pointer is valid for a write of the header's structure
        self.check(unsafe { (self.0.describe)(device, &mut raw) })?;
        let name =
            CStr::from_bytes_until_nul(&raw.name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let RawDescription { memory_bytes, multiprocessors, architecture, emulated, .. } = raw;
        Ok(Description { name, memory_bytes, multiprocessors, architecture, emulated: emulated != 0 })
    }

    /// Opens a device. Errors: [`Unavailable`].
    pub fn open(self: &Arc<Self>, number: u32) -> Result<Arc<Device>, Unavailable> {
        let count = self.count()?;
        if number >= count {
            return Err(if count == 0 { Unavailable::NoDevice } else { Unavailable::Number { wanted: number, count } });
        }
        let description = self.describe(number)?;
        let mut context = null_mut();
        // SAFETY: the pointer is valid for a write
        self.check(unsafe { (self.0.open)(number, &mut context) })?;
        let context = NonNull::new(context).ok_or_else(|| Unavailable::Device(nothing_made()))?;
        let (library, context) = (Arc::clone(self), Mutex::new(Handle(context)));
        Ok(Arc::new(Device {
            library,
            description,
            context,
            failed: AtomicBool::new(false),
            calls: Default::default(),
        }))
    }
}

fn nothing_made() -> DeviceError {
    DeviceError::Failed("nothing was made".to_owned())
}

fn error_of(status: i32, words: String) -> DeviceError {
    match status {
        1 => DeviceError::Memory,
        3 => DeviceError::Argument(words),
        _ => DeviceError::Failed(words),
    }
}

/// A pointer of the library's, used only while its device's lock is held.
struct Handle(NonNull<c_void>);

// SAFETY: the library lets any thread use what it made, one at a time
unsafe impl Send for Handle {}
// SAFETY: nothing can be done with a shared `Handle` without the device's lock
unsafe impl Sync for Handle {}

/// An open device.
pub struct Device {
    library: Arc<Library>,
    description: Description,
    context: Mutex<Handle>,
    failed: AtomicBool,
    /// Done, and refused for want of memory.
    calls: [AtomicU64; 2],
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.description.fmt(f)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let context = self.context.get_mut().unwrap_or_else(PoisonError::into_inner).0;
        // SAFETY: everything made in the context holds this device, so it is gone
        unsafe { (self.library.0.close)(context.as_ptr()) }
    }
}

impl Device {
    /// What it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether it has failed, after which it is not asked again.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many calls it has done, and how many it refused for want of memory.
    pub fn calls(&self) -> [u64; 2] {
        self.calls.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// The device's own time for the last call, from its first kernel to the end of its last; 0 if it is not known.
    pub fn seconds(&self) -> f64 {
        let context = self.lock();
        // SAFETY: the context is live
        unsafe { (self.library.0.seconds)(context.0.as_ptr()) }
    }

    /// Uses at most so many bytes of its memory from now on; 0: no limit. Errors: [`DeviceError`].
    pub fn limit_memory(&self, bytes: u64) -> Result<(), DeviceError> {
        // SAFETY: the context is live
        self.call(|api, context| unsafe { (api.limit_memory)(context, bytes) })
    }

    fn lock(&self) -> MutexGuard<'_, Handle> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the library, one thread at a time.
    fn call(&self, f: impl FnOnce(&Api, Raw) -> i32) -> Result<(), DeviceError> {
        if self.has_failed() {
            return Err(DeviceError::Failed("it failed before".to_owned()));
        }
        let context = self.lock();
        let status = f(&self.library.0, context.0.as_ptr());
        if status == 0 {
            self.calls[0].fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        // SAFETY: the context is live, and what comes back is a string that lives until the next call
        let words =
            unsafe { CStr::from_ptr((self.library.0.error)(context.0.as_ptr())) }.to_string_lossy().into_owned();
        drop(context);
        let (device, error) = (&self.description.name, error_of(status, words));
        match &error {
            DeviceError::Memory => _ = self.calls[1].fetch_add(1, Ordering::Relaxed),
            DeviceError::Failed(words) if !self.failed.swap(true, Ordering::Relaxed) => {
                tracing::warn!(device, error = words, "the device failed: the processor goes on alone");
            }
            DeviceError::Failed(_) => {}
            DeviceError::Argument(words) => {
                tracing::warn!(device, error = words, "the device library refused an argument: a mistake in Assay")
            }
        }
        Err(error)
    }

    /// Makes something that lives on the device.
    fn make(self: &Arc<Self>, free: Free, f: impl FnOnce(&Api, Raw, &mut Raw) -> i32) -> Result<Object, DeviceError> {
        let mut made = null_mut();
        self.call(|api, context| f(api, context, &mut made))?;
        let handle = NonNull::new(made).map(Handle).ok_or_else(nothing_made)?;
        Ok(Object { device: Arc::clone(self), handle, free })
    }

    /// Values to coefficients of one vector of `2^log` elements, as the header says. Errors: [`DeviceError`]; the
    /// vector is then spoilt.
    pub fn to_coefficients(&self, log: u32, values: &mut [Fr], factor: Option<&Fr>) -> Result<(), DeviceError> {
        check(1usize.checked_shl(log) == Some(values.len()))?;
        let factor = factor.map_or(null(), |factor| raw(std::slice::from_ref(factor)));
        // SAFETY: the vector has 2^log elements, the factor one
        self.call(|api, context| unsafe { (api.to_coefficients)(context, log, 1, raw_mut(values), factor) })
    }

    /// Coefficients to values. Errors: [`DeviceError`]; the vector is then spoilt.
    pub fn to_values(&self, log: u32, coefficients: &mut [Fr], factor: Option<&Fr>) -> Result<(), DeviceError> {
        check(1usize.checked_shl(log) == Some(coefficients.len()))?;
        let factor = factor.map_or(null(), |factor| raw(std::slice::from_ref(factor)));
        // SAFETY: the vector has 2^log elements, the factor one
        self.call(|api, context| unsafe { (api.to_values)(context, log, 1, raw_mut(coefficients), factor) })
    }
}

fn check(holds: bool) -> Result<(), DeviceError> {
    if holds { Ok(()) } else { Err(DeviceError::Argument("a length does not fit".to_owned())) }
}

type Free = fn(&Api) -> unsafe extern "C" fn(Raw);

/// Something on a device.
struct Object {
    device: Arc<Device>,
    handle: Handle,
    free: Free,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}", self.device.description.name)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let _one_at_a_time = self.device.lock();
        // SAFETY: nobody has it any more, and its context is live
        unsafe { (self.free)(&self.device.library.0)(self.handle.0.as_ptr()) }
    }
}

impl Object {
    fn call(&self, f: impl FnOnce(&Api, Raw) -> i32) -> Result<(), DeviceError> {
        self.device.call(|api, _| f(api, self.handle.0.as_ptr()))
    }
}

/// Bases in G1 on a device.
#[derive(Debug)]
pub struct Bases {
    object: Object,
    len: usize,
}

impl Bases {
    /// Uploads them; `multiples` as in the header, 0 for what suits. Errors: [`DeviceError`].
    pub fn new(device: &Arc<Device>, points: &[G1Affine], multiples: u32) -> Result<Self, DeviceError> {
        let words = words::points(points);
        // SAFETY: there are 8 words for each point
        let new = |api: &Api, context, out: &mut Raw| unsafe {
            (api.bases_new)(context, words.as_ptr(), points.len(), multiples, out)
        };
        Ok(Self { object: device.make(|api| api.bases_free, new)?, len: points.len() })
    }

    /// `Σ scalars[i] · bases[from + i]`. Errors: [`DeviceError`].
    pub fn msm(&self, from: usize, scalars: &[Fr]) -> Result<G1Projective, DeviceError> {
        check(from.checked_add(scalars.len()).is_some_and(|end| end <= self.len))?;
        let mut out = [0; 12];
        // SAFETY: there are 4 words for each scalar, and room for the result
        self.object
            .call(|api, bases| unsafe { (api.msm)(bases, from, raw(scalars), scalars.len(), out.as_mut_ptr()) })?;
        Ok(words::to_point(&out))
    }

    /// The same for lists of small scalars. Errors: [`DeviceError`].
    pub fn msm_small(&self, lists: &[&[i32]]) -> Result<Vec<G1Projective>, DeviceError> {
        check(lists.iter().all(|list| list.len() <= self.len))?;
        let pointers: Vec<*const i32> = lists.iter().map(|list| list.as_ptr()).collect();
        let lengths: Vec<usize> = lists.iter().map(|list| list.len()).collect();
        let mut out = vec![[0; 12]; lists.len()];
        // SAFETY: a pointer and a length for each list, and room for a result for each
        self.object.call(|api, bases| unsafe {
            (api.msm_small)(bases, pointers.as_ptr(), lengths.as_ptr(), lists.len(), out.as_mut_ptr().cast())
        })?;
        Ok(out.iter().map(words::to_point).collect())
    }
}

/// `Σ scalars[i] · points[i]` in G2. Errors: [`DeviceError`].
pub fn msm_g2(device: &Arc<Device>, points: &[G2Affine], scalars: &[Fr]) -> Result<G2Projective, DeviceError> {
    check(points.len() == scalars.len())?;
    let (words, mut out) = (words::points_g2(points), [0; 24]);
    // SAFETY: there are 16 words for each point
    let new =
        |api: &Api, context, out: &mut Raw| unsafe { (api.bases_g2_new)(context, words.as_ptr(), points.len(), out) };
    let bases = device.make(|api| api.bases_g2_free, new)?;
    // SAFETY: there are 4 words for each scalar, and room for the result
    bases.call(|api, bases| unsafe { (api.msm_g2)(bases, raw(scalars), scalars.len(), out.as_mut_ptr()) })?;
    Ok(words::to_point_g2(&out))
}

/// Cells on a device.
#[derive(Debug)]
pub struct Cells(Object);

impl Cells {
    /// Uploads them. Errors: [`DeviceError`].
    pub fn new(device: &Arc<Device>, cells: &[i32]) -> Result<Self, DeviceError> {
        // SAFETY: the slice is as long as it says
        let new =
            |api: &Api, context, out: &mut Raw| unsafe { (api.cells_new)(context, cells.as_ptr(), cells.len(), out) };
        Ok(Self(device.make(|api| api.cells_free, new)?))
    }

    /// See the header. Errors: [`DeviceError`].
    pub fn fold_rows(&self, from: usize, factors: &[Fr], width: usize) -> Result<Vec<Fr>, DeviceError> {
        let mut out = vec![Fr::default(); width];
        // SAFETY: a factor for each row, and room for `width` elements
        self.0.call(|api, cells| unsafe {
            (api.fold_rows)(cells, from, factors.len(), width, raw(factors), raw_mut(&mut out))
        })?;
        Ok(out)
    }

    /// See the header. Errors: [`DeviceError`].
    pub fn dot_rows(&self, from: usize, factors: &[Fr], rows: usize) -> Result<Vec<Fr>, DeviceError> {
        let mut out = vec![Fr::default(); rows];
        // SAFETY: a factor for each cell of a row, and room for `rows` elements
        self.0.call(|api, cells| unsafe {
            (api.dot_rows)(cells, from, rows, factors.len(), raw(factors), raw_mut(&mut out))
        })?;
        Ok(out)
    }
}

/// A sumcheck of products on a device.
pub struct Product(Object);

impl Product {
    /// Uploads the factors, whose lengths are equal powers of two. Errors: [`DeviceError`].
    pub fn new(device: &Arc<Device>, a: &[Fr], b: &[Fr]) -> Result<Self, DeviceError> {
        check(a.len() == b.len())?;
        // SAFETY: both have as many elements as `a`
        let new =
            |api: &Api, context, out: &mut Raw| unsafe { (api.product_new)(context, raw(a), raw(b), a.len(), out) };
        Ok(Self(device.make(|api| api.product_free, new)?))
    }

    /// The next message. Errors: [`DeviceError`].
    pub fn message(&self) -> Result<[Fr; 2], DeviceError> {
        let mut out = [Fr::default(); 2];
        // SAFETY: there is room for two elements
        self.0.call(|api, product| unsafe { (api.product_message)(product, raw_mut(&mut out)) })?;
        Ok(out)
    }

    /// Binds a variable. Errors: [`DeviceError`].
    pub fn bind(&self, x: &Fr) -> Result<(), DeviceError> {
        // SAFETY: an element has four words
        self.0.call(|api, product| unsafe { (api.product_bind)(product, raw(std::slice::from_ref(x))) })
    }

    /// The first elements. Errors: [`DeviceError`].
    pub fn first(&self) -> Result<[Fr; 2], DeviceError> {
        let mut out = [Fr::default(); 2];
        // SAFETY: there is room for two elements
        self.0.call(|api, product| unsafe { (api.product_first)(product, raw_mut(&mut out)) })?;
        Ok(out)
    }
}

/// A tree of fractions on a device.
pub struct Tree {
    object: Object,
    arities: Vec<usize>,
    /// Arity of the level whose rounds go on.
    arity: usize,
}

impl Tree {
    /// Uploads the leaves, and computes all levels and the root. Errors: [`DeviceError`].
    pub fn new(
        device: &Arc<Device>,
        leaves: &assay_prover::inner::FlatLeaves,
        arities: Vec<usize>,
    ) -> Result<(Self, [Fr; 2]), DeviceError> {
        let (index, numerators) = (&leaves.index, &leaves.numerators);
        check(arities.iter().all(|arity| (1..=MAX_ARITY).contains(arity)))?;
        check(index.len() == numerators.len() && index.iter().all(|i| (*i as usize) < leaves.values.len()))?;
        let mut root = [Fr::default(); 2];
        let levels: Vec<u32> = arities.iter().map(|arity| *arity as u32).collect();
        // SAFETY: all slices are as long as they say, indices are within the values, and there is room for two elements
        let new = |api: &Api, context, out: &mut Raw| unsafe {
            let (values, count, root) = (raw(&leaves.values), leaves.values.len(), raw_mut(&mut root));
            let (index, numerators, leaves) = (index.as_ptr(), numerators.as_ptr(), index.len());
            (api.tree_new)(context, values, count, index, numerators, leaves, levels.as_ptr(), levels.len(), out, root)
        };
        let object = device.make(|api| api.tree_free, new)?;
        Ok((Self { object, arities, arity: 0 }, root))
    }

    /// Begins a level's rounds. Errors: [`DeviceError`].
    pub fn begin(&mut self, level: usize, lambda: &Fr, r: &[Fr]) -> Result<[Fr; 5], DeviceError> {
        let arity =
            *self.arities.get(level).ok_or_else(|| DeviceError::Argument("there is no such level".to_owned()))?;
        let mut out = [Fr::default(); 5];
        let (level, variables) = (level as u32, r.len() as u32);
        // SAFETY: `r` has as many elements as it says, and there is room for five
        self.object.call(|api, tree| unsafe {
            (api.level_begin)(tree, level, raw(std::slice::from_ref(lambda)), raw(r), variables, raw_mut(&mut out))
        })?;
        self.arity = arity;
        Ok(out)
    }

    /// Binds a variable. Errors: [`DeviceError`].
    pub fn bind(&mut self, x: &Fr) -> Result<[Fr; 5], DeviceError> {
        let mut out = [Fr::default(); 5];
        // SAFETY: an element has four words, and there is room for five
        self.object
            .call(|api, tree| unsafe { (api.level_bind)(tree, raw(std::slice::from_ref(x)), raw_mut(&mut out)) })?;
        Ok(out)
    }

    /// The node that is left. Errors: [`DeviceError`].
    pub fn children(&mut self) -> Result<Vec<Fr>, DeviceError> {
        // whatever level the library thinks that this is
        let mut out = [Fr::default(); 2 << MAX_ARITY];
        // SAFETY: there is room for the numerators and denominators of as many children as a node may have
        self.object.call(|api, tree| unsafe { (api.level_children)(tree, raw_mut(&mut out)) })?;
        Ok(out[..2 << self.arity].to_vec())
    }
}

/// A key's columns on a device.
#[derive(Debug)]
pub struct Quotients {
    object: Object,
    log: u32,
}

/// As in the header.
const REGISTER: u32 = 0;
const CONSTANT: u32 = 1 << 30;
const COLUMN: u32 = 2 << 30;
const COLUMN_IN_NEXT_ROW: u32 = 3 << 30;

fn raw_operand(operand: &Operand) -> u32 {
    match *operand {
        Operand::Register(register) => REGISTER | register,
        Operand::Constant(constant) => CONSTANT | constant,
        Operand::Column(column, next) => {
            let index = match column {
                Column::Key(column) => column,
                Column::Witness(column) => KEY_COLUMNS + column,
            };
            index as u32 | if next { COLUMN_IN_NEXT_ROW } else { COLUMN }
        }
    }
}

/// A program's instructions and the terms of its sums.
fn raw_instructions(program: &Program) -> (Vec<RawInstruction>, Vec<RawTerm>) {
    let mut all = Vec::new();
    let instructions = program.instructions.iter().map(|Instruction { to, work }| {
        let (operation, operands) = match work {
            Work::Add(a, b) => (0, [raw_operand(a), raw_operand(b)]),
            Work::Sub(a, b) => (1, [raw_operand(a), raw_operand(b)]),
            Work::Mul(a, b) => (2, [raw_operand(a), raw_operand(b)]),
            Work::Dot(terms) => {
                let range = [all.len() as u32, terms.len() as u32];
                all.extend(
                    terms
                        .iter()
                        .map(|(constant, operand)| RawTerm { constant: *constant, operand: raw_operand(operand) }),
                );
                (3, range)
            }
        };
        RawInstruction { operation, to: *to, operands }
    });
    (instructions.collect(), all)
}

impl Quotients {
    /// Uploads a key's columns. Errors: [`DeviceError`].
    pub fn new(device: &Arc<Device>, key: &Preprocessed) -> Result<Self, DeviceError> {
        let (log, blowup) = (key.rows.log(), DEGREE.ilog2());
        let columns = columns(key.columns.iter().map(Vec::as_slice), log)?;
        check(columns.len() == KEY_COLUMNS)?;
        let generator = Fr::GENERATOR;
        // SAFETY: each column has 2^log elements, the generator is one
        let new = |api: &Api, context, out: &mut Raw| unsafe {
            (api.quotients_new)(
                context,
                log,
                blowup,
                raw(std::slice::from_ref(&generator)),
                columns.as_ptr(),
                columns.len(),
                out,
            )
        };
        Ok(Self { object: device.make(|api| api.quotients_free, new)?, log })
    }

    /// The program's results at the points of the coset, times `scales` of their places among `DEGREE` neighbours, as
    /// coefficients. `witness` are the other columns, the last with the coefficients `more` besides, as the header
    /// says. Errors: [`DeviceError`].
    pub fn quotient(
        &self,
        witness: &[&[Fr]],
        more: &[Fr],
        program: &Program,
        scales: &[Fr; DEGREE],
    ) -> Result<Vec<Fr>, DeviceError> {
        let columns = columns(witness.iter().copied(), self.log)?;
        let (instructions, terms) = raw_instructions(program);
        let program = RawProgram {
            instructions: instructions.as_ptr(),
            length: instructions.len(),
            terms: terms.as_ptr(),
            term_count: terms.len(),
            constants: raw(&program.constants),
            constant_count: program.constants.len(),
            registers: program.registers,
        };
        let mut out = vec![Fr::default(); DEGREE << self.log];
        // SAFETY: each column has 2^log elements, all slices are as long as they say, and there is room for the
        // coefficients at all points
        self.object.call(|api, quotients| unsafe {
            let (more, count) = (raw(more), more.len());
            (api.quotient)(
                quotients,
                columns.as_ptr(),
                columns.len(),
                more,
                count,
                &raw const program,
                raw(scales),
                raw_mut(&mut out),
            )
        })?;
        Ok(out)
    }
}

/// Columns of `2^log` elements each. Errors: [`DeviceError::Argument`] for other lengths.
fn columns<'a>(columns: impl Iterator<Item = &'a [Fr]>, log: u32) -> Result<Vec<*const u64>, DeviceError> {
    columns.map(|column| check(1usize.checked_shl(log) == Some(column.len())).map(|()| raw(column))).collect()
}
