// What every part of the page may need to know of its host.

import { createContext } from "preact";

// theme; canCall: whether the page may call the server's tools; canSave: whether the host saves files; scale: that of
// all results, if there are several.
export const Host = createContext({ theme: undefined, canCall: false, canSave: false, scale: {} });
