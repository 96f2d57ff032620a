// What every part of the page may need to know of its host.

import { createContext } from "preact";

// theme; canCall: whether the page may call the server's tools; canSave: whether the host saves files; scale: the
// largest share and the range of values among all results that are shown, so that they can be compared.
export const Host = createContext({ theme: undefined, canCall: false, canSave: false, scale: {} });
