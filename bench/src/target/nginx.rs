//! nginx in front of a relay: it speaks TLS to the load, and plain to the relay on the same core.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use relay_client::{Ca, Endpoint};

use super::process::{self, Process, in_path};
use crate::affinity::Cores;
use crate::identity::identity;

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// True if it can be started here.
pub(super) fn is_there() -> bool {
    in_path("nginx").is_some()
}

/// Starts one in front of `relay`. Returns the address for clients, too.
///
/// # Errors
/// nginx is not in the PATH, or does not answer.
pub(super) fn start(relay: &Endpoint, cores: Cores) -> anyhow::Result<(Process, Endpoint)> {
    let file = in_path("nginx").context("nginx is not in the PATH: add /usr/sbin to it, or install nginx")?;
    let identity = identity()?;
    // Another program may take the free port first: then try another port.
    for _ in 0..5 {
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = identity.folder().join("nginx.conf");
        fs::write(&config, configuration(addr, relay)?)?;
        let mut command = process::command(&file);
        command.arg("-p").arg(identity.folder()).arg("-e").arg("stderr").arg("-c").arg(&config);
        let mut process = Process::start(command, "nginx", cores)?;
        let started = Instant::now();
        while !process.check_ended() && started.elapsed() < ANSWERS_WITHIN {
            match TcpStream::connect(addr) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    thread::sleep(Duration::from_millis(10));
                }
                answer => {
                    answer?;
                    let ca = Ca::read(&identity.certificate).map_err(anyhow::Error::msg)?;
                    return Ok((process, Endpoint::parse_ws(&format!("wss://{addr}/ws"))?.with_ca(Some(ca))));
                }
            }
        }
    }
    bail!("{} does not answer on the loopback; try to start it by hand", file.display())
}

/// What `deploy/nginx/nginx.conf` says of a connection, for one process and one node.
fn configuration(addr: SocketAddr, relay: &Endpoint) -> anyhow::Result<String> {
    let identity = identity()?;
    let folder = identity.folder().display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|place| format!("{place}_temp_path {folder}/{place};\n"))
        .concat();
    Ok(format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr crit;\n\
         worker_rlimit_nofile 65536;\nevents {{ worker_connections 60000; }}\n\
         http {{\naccess_log off;\n{temporary}server {{\nlisten {addr} ssl backlog=4096;\n\
         ssl_certificate {};\nssl_certificate_key {};\n\
         ssl_protocols TLSv1.2 TLSv1.3;\nssl_session_cache shared:relay:10m;\n\
         proxy_read_timeout 1h;\nproxy_send_timeout 1h;\nproxy_http_version 1.1;\n\
         proxy_set_header Host $host;\nproxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection upgrade;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         location / {{ proxy_pass http://{}; }}\n}}\n}}\n",
        identity.certificate.display(),
        identity.key.display(),
        relay.authority()
    ))
}
