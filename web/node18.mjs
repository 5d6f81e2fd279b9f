// Tests only: Debian 12's Node 18 lacks the global `crypto` that browsers and later Nodes have.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
