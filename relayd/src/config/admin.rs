//! The settings of the address and of the socket for operators.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::flags::Flags;
use super::settings::{EarlyExit, SettingReader};
use crate::admin::AdminSettings;
use crate::http::admin::AdminHosts;

/// Reads them. `$RUNTIME_DIRECTORY`, which systemd sets, is where the socket is unless it is named.
pub(super) fn read(flags: &Flags, settings: &SettingReader<'_>) -> Result<AdminSettings, EarlyExit> {
    if flags.metrics_public && flags.no_public_metrics {
        return Err(EarlyExit::bad_value(
            "--metrics-public shows /metrics to everyone and --no-public-metrics to nobody: leave one of them out",
        ));
    }
    let named = settings.read("admin_socket", &flags.admin_socket, socket_path)?;
    Ok(AdminSettings {
        listen: settings.read("admin_listen", &flags.admin_listen, address)?,
        hosts: settings
            .read("admin_host", &flags.admin_host, |text| {
                text.parse::<AdminHosts>().map_err(|error| error.to_string())
            })?
            .unwrap_or_default(),
        socket: named.or_else(|| default_socket(std::env::var_os("RUNTIME_DIRECTORY"))),
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, such as 127.0.0.1:9300 or [::1]:9300".to_owned())
}

fn socket_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.len() > SOCKET_PATH_BYTES_MAX {
        return Err(format!("write a path of 1 to {SOCKET_PATH_BYTES_MAX} bytes"));
    }
    Ok(PathBuf::from(text))
}

/// The socket in `$RUNTIME_DIRECTORY`, if that is set. systemd separates several folders by colons. The first
/// one counts.
pub fn default_socket(runtime_directory: Option<OsString>) -> Option<PathBuf> {
    let folders = runtime_directory?.into_string().ok()?;
    let folder = folders.split(':').next().filter(|folder| folder.starts_with('/'))?;
    let path = Path::new(folder).join(SOCKET_NAME);
    (path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX).then_some(path)
}

/// In the runtime directory.
const SOCKET_NAME: &str = "relayctl.sock";

/// unix(7) has room for 108 bytes, macOS for 104, the last of them zero.
const SOCKET_PATH_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_in_the_first_runtime_directory() {
        let socket = |folders: &str| default_socket(Some(folders.into()));
        assert_eq!(socket("/run/relayd"), Some("/run/relayd/relayctl.sock".into()));
        assert_eq!(socket("/run/a:/run/b"), Some("/run/a/relayctl.sock".into()));
        assert_eq!((socket(""), socket("run"), default_socket(None)), (None, None, None));
        assert_eq!(socket(&format!("/{}", "x".repeat(100))), None);
    }

    #[test]
    fn an_address_has_a_port() {
        assert!(address("127.0.0.1:9300").is_ok() && address("[::1]:0").is_ok());
        for bad in ["", "9300", "127.0.0.1", "localhost:9300", ":9300", "::1:9300x"] {
            assert!(address(bad).unwrap_err().contains("127.0.0.1:9300"), "{bad}");
        }
    }
}
