// What the page has of browsers beyond TypeScript's own list.

interface Window {
    /** The fragment of the address, once: the shell's first script took it out. */
    takeFragment?: () => string;
    trustedTypes?: {
        createPolicy(
            name: string,
            rules: { createScriptURL: (address: string) => string },
        ): { createScriptURL(address: string): unknown };
    };
}
