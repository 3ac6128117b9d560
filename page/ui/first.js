// Runs before anything else of the page, as a script within it. Takes the secret out of the address, and
// starts over if a part of this build is not there any more.
(function () {
"use strict";
var fragment = location.hash;
if (fragment) history.replaceState(history.state, "", location.pathname + location.search);
var taken = false;
Object.defineProperty(window, "takeFragment", {
value: function () {
if (taken) return "";
taken = true;
var once = fragment;
fragment = "";
return once;
}
});
addEventListener("error", function (event) {
if (!event.target || event.target.tagName !== "SCRIPT") return;
var tries = Number(sessionStorage.getItem("reloads") || 0);
if (fragment && !taken) history.replaceState(history.state, "", location.pathname + location.search + fragment);
if (tries < 4) {
sessionStorage.setItem("reloads", String(tries + 1));
setTimeout(function () { location.reload(); }, 300 * (tries + 1));
} else {
sessionStorage.removeItem("reloads");
document.getElementById("starting").textContent = "This page did not load. Check the network, then load it again.";
}
}, true);
})();
