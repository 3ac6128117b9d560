//! An app's secret store behind the header's callbacks. Wipes every copy of the kept text that is made here.

use std::ffi::c_void;
use std::io;

use relay_client::engine::Keeper;
use zeroize::Zeroizing;

use super::failure::Failure;

/// `RELAY_KEPT_BYTES_MAX`.
pub(super) const KEPT_BYTES_MAX: usize = 8 * 1024;

/// `relay_keeper`: what an app hands over.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawKeeper {
    pub(super) user: *mut c_void,
    pub(super) load: Option<unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> i64>,
    pub(super) store: Option<unsafe extern "C" fn(*mut c_void, *const u8, usize) -> i32>,
    pub(super) forget: Option<unsafe extern "C" fn(*mut c_void) -> i32>,
    pub(super) release: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// The same with its callbacks there, and released when the engine lets go of it.
pub(super) struct CallbackKeeper {
    user: *mut c_void,
    load: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> i64,
    store: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> i32,
    forget: unsafe extern "C" fn(*mut c_void) -> i32,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: `user` is never looked at here, and the header tells the app that its callbacks come from the
// engine's thread, one at a time.
unsafe impl Send for CallbackKeeper {}

impl CallbackKeeper {
    /// Takes over what the app handed in.
    pub(super) fn new(raw: RawKeeper) -> Result<Self, Failure> {
        let RawKeeper { user, load, store, forget, release } = raw;
        match (load, store, forget) {
            (Some(load), Some(store), Some(forget)) => Ok(Self { user, load, store, forget, release }),
            _ => {
                if let Some(release) = release {
                    // SAFETY: the app's own function with the app's own pointer, once, as the header says.
                    unsafe { release(user) };
                }
                Err(Failure::argument("the keeper lacks load, store or forget"))
            }
        }
    }
}

impl Keeper for CallbackKeeper {
    fn load(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        let mut text = Zeroizing::new(vec![0; KEPT_BYTES_MAX]);
        // SAFETY: the app's own function and pointer; the buffer is writable for all of the length that is
        // given with it.
        let len = unsafe { (self.load)(self.user, text.as_mut_ptr(), text.len()) };
        match usize::try_from(len) {
            Ok(0) => Ok(None),
            Ok(len) if len <= text.len() => {
                let read = std::str::from_utf8(&text[..len]);
                let read = read.map_err(|_| io::Error::other("the keeper gave a text that is not UTF-8"))?;
                Ok(Some(Zeroizing::new(read.to_owned())))
            }
            _ => Err(io::Error::other(format!("the keeper's load answered {len}"))),
        }
    }

    fn store(&mut self, text: &str) -> io::Result<()> {
        // SAFETY: the app's own function and pointer; `text` is readable for the length that is given with
        // it.
        let answer = unsafe { (self.store)(self.user, text.as_ptr(), text.len()) };
        done("store", answer)
    }

    fn forget(&mut self) -> io::Result<()> {
        // SAFETY: the app's own function and pointer.
        let answer = unsafe { (self.forget)(self.user) };
        done("forget", answer)
    }
}

impl Drop for CallbackKeeper {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the app's own function and pointer; the last call of this keeper, as the header says.
            unsafe { release(self.user) };
        }
    }
}

fn done(what: &str, answer: i32) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::other(format!("the keeper's {what} answered {answer}"))) }
}
