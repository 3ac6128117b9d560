// From the page to the phone: by the save dialog, by the share sheet, or as a download.

/**
 * Gives a received file to the user. Where the browser asks where it goes, it is written there piece by piece.
 * @param {Blob} blob
 * @param {string} name
 */
export async function save(blob, name) {
    const picker = /** @type {any} */ (window).showSaveFilePicker;
    if (picker) return write(blob, name, picker);
    const isInstalled = matchMedia("(display-mode: standalone)").matches;
    const file = new File([blob], name, { type: blob.type });
    // On iOS a page on the home screen has no downloads, and the share sheet is the way.
    if (isInstalled && navigator.canShare?.({ files: [file] })) return navigator.share({ files: [file] }).catch(giveUp);
    const address = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** @param {Blob} blob @param {string} name @param {(options: object) => Promise<any>} picker */
async function write(blob, name, picker) {
    const handle = await picker({ suggestedName: name.replace(/[\\/:*?"<>|]/g, "_") }).catch(giveUp);
    if (!handle) return;
    await blob.stream().pipeTo(await handle.createWritable());
}

/** The user closed the dialog. @param {unknown} error */
function giveUp(error) {
    if (!(error instanceof DOMException) || error.name !== "AbortError") throw error;
}
