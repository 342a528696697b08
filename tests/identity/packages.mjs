// Packages are installed by `make tools` and not beside these files, where Node.js would look for them.
// So every script here is run in the folder that holds node_modules, and takes its packages from there.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);

export const taken = (name) => import(pathToFileURL(require.resolve(name)));
