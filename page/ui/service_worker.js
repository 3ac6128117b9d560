// The page's service worker: the page without a network, and notices while it is closed.

const BUILD = "{{build}}";
const SHELL = "/p";
const FILES = [SHELL, "/p/manifest.webmanifest", "/p/icon.svg", "/p/icon-192.png", ...["page", "own", "de"].map((name) => `/p/${BUILD}/${name}.js`)];
const CACHE = `relay ${BUILD}`;

addEventListener("install", (event) => {
    event.waitUntil(fetchAll().then(() => skipWaiting()));
});

// All files of one build or none: another node may have another build.
async function fetchAll() {
    const cache = await caches.open(CACHE);
    const responses = await Promise.all(FILES.map((path) => fetch(path, { cache: path === SHELL ? "reload" : "default" })));
    const text = await responses[0].clone().text();
    const isWhole = responses.every(({ ok }) => ok) && text.includes(`/p/${BUILD}/`);
    if (!isWhole) throw new Error("the files of this build are not all there");
    await Promise.all(responses.map((response, at) => cache.put(FILES[at], clean(response))));
}

// A response that was redirected is refused for a navigation, and the way does not matter here.
function clean(response) {
    return new Response(response.body, { status: response.status, headers: response.headers });
}

addEventListener("activate", (event) => {
    event.waitUntil(
        caches.keys().then((names) => {
            // The build before this one stays for tabs that still run it.
            const old = names.filter((name) => name.startsWith("relay ") && name !== CACHE).slice(0, -1);
            return Promise.all(old.map((name) => caches.delete(name)));
        }),
    );
});

addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== "GET" || url.origin !== location.origin) return;
    if (request.mode === "navigate") event.respondWith(shell());
    else if (url.pathname.startsWith("/p/") && url.pathname !== "/p/sw.js") event.respondWith(file(request));
});

// The network's shell where it answers soon, else the one that is kept.
async function shell() {
    const kept = await caches.match(SHELL);
    const fresh = fetch(SHELL, { cache: "no-cache" }).then((response) => (response.ok ? response : (kept ?? response)));
    if (!kept) return fresh;
    const late = new Promise((resolve) => setTimeout(() => resolve(kept), 1500));
    return Promise.race([fresh.catch(() => kept), late]);
}

async function file(request) {
    return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}

// The desk sends a declarative Web Push, which some browsers show by themselves. Others get it here, and each
// push must show a notice.
addEventListener("push", (event) => {
    event.waitUntil(show(event.data));
});

async function show(data) {
    const { title, options } = read(data);
    await registration.showNotification(title, options);
    if (options.tag !== "relay") await noteShown(options.tag).catch((error) => console.warn("not noted:", error));
}

// The page knows by this that a notice was shown already: see store/store.js, value "shown".
async function noteShown(id) {
    const request = indexedDB.open("relay", 1);
    // A page that was never opened here has nothing to know.
    request.onupgradeneeded = () => request.transaction.abort();
    const database = await done(request);
    const values = database.transaction("values", "readwrite").objectStore("values");
    const before = (await done(values.get("shown"))) ?? [];
    await done(values.put([...before, id].slice(-256), "shown"));
    database.close();
}

function done(request) {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
}

function read(data) {
    let notification = {};
    try {
        notification = data?.json()?.notification ?? {};
    } catch {
        // Not from the desk of this pair, or damaged. A notice is owed all the same.
    }
    const text = (value, max) => (typeof value === "string" ? value.slice(0, max) : "");
    return {
        title: text(notification.title, 128) || "relay",
        options: {
            body: text(notification.body, 1024),
            tag: text(notification.tag, 64) || "relay",
            icon: "/p/icon-192.png",
            badge: "/p/icon-192.png",
            silent: notification.silent === true,
            data: { navigate: text(notification.navigate, 2048) },
        },
    };
}

addEventListener("notificationclick", (event) => {
    event.notification.close();
    event.waitUntil(open(event.notification.data?.navigate ?? ""));
});

// An open page is told where to go, so that its connection lives on.
async function open(address) {
    const { hash } = new URL(address || SHELL, location.origin);
    const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
    const page = windows.find(({ url }) => new URL(url).pathname === SHELL);
    if (!page) return clients.openWindow(SHELL + hash);
    page.postMessage({ fragment: hash });
    return page.focus();
}
