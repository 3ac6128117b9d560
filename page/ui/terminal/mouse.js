// Taps and the wheel, where the program of the terminal wants them.

/** @typedef {import("../../screen/viewer.js").TerminalViewer} TerminalViewer */
/** @typedef {import("./rows.js").Rows} Rows */

const PRESS = 0, RELEASE = 1, LEFT = 1, WHEEL_UP = 4, WHEEL_DOWN = 5;

/**
 * @param {Rows} rows
 * @param {TerminalViewer} viewer
 */
export function listenToMouse(rows, viewer) {
    const { element } = rows;
    const turn = (/** @type {number} */ steps, /** @type {number} */ x, /** @type {number} */ y) => {
        const cell = rows.cellAt(x, y);
        if (!cell) return;
        for (let step = Math.min(10, Math.abs(steps)); step >= 1; step--) {
            viewer.mouse(PRESS, steps < 0 ? WHEEL_UP : WHEEL_DOWN, 0, cell.column, cell.row);
        }
    };
    element.addEventListener("click", (event) => {
        const cell = rows.cellAt(event.clientX, event.clientY);
        if (viewer.screen.modes.mouse === 0 || !cell || !getSelection()?.isCollapsed) return;
        viewer.mouse(PRESS, LEFT, 0, cell.column, cell.row);
        viewer.mouse(RELEASE, LEFT, 0, cell.column, cell.row);
    });
    element.addEventListener("wheel", (event) => {
        if (!takesWheel(viewer)) return;
        event.preventDefault();
        turn(Math.sign(event.deltaY) * Math.max(1, Math.round(Math.abs(event.deltaY) / 40)), event.clientX, event.clientY);
    }, { passive: false });
    followFinger(element, viewer, turn);
}

/** A full-screen program has no history here, so a finger turns its wheel. @param {TerminalViewer} viewer */
function takesWheel({ screen: { modes } }) {
    return modes.mouse > 0 || (modes.isAlternate && modes.hasAlternateScroll);
}

/**
 * @param {HTMLElement} element
 * @param {TerminalViewer} viewer
 * @param {(steps: number, x: number, y: number) => void} turn
 */
function followFinger(element, viewer, turn) {
    let last = 0;
    element.addEventListener("touchstart", (event) => {
        last = event.touches[0]?.clientY ?? 0;
    }, { passive: true });
    element.addEventListener("touchmove", (event) => {
        const touch = event.touches[0];
        if (!touch || event.touches.length > 1 || !takesWheel(viewer) || !viewer.screen.modes.isAlternate) return;
        const steps = Math.trunc((last - touch.clientY) / 16);
        if (steps === 0) return;
        last -= steps * 16;
        turn(steps, touch.clientX, touch.clientY);
    }, { passive: true });
}
