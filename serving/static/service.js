// Requests to the service. Answers and error messages are passed on unchanged.

import { askForToken, token } from "./token.js";

/** An error of the service or of the connection. */
export class Problem extends Error {
  constructor(message, requestId = "", code = "") {
    super(message);
    this.requestId = requestId;
    this.code = code;
  }
}

/**
 * Returns the JSON answer to a GET, or to a POST where there is a body; throws a Problem.
 * path: relative, so that the page also works behind a proxy that adds a prefix.
 */
export async function ask(path, body, type) {
  const response = await send(path, body, type);
  const content = await response.json().catch(() => null);
  if (response.ok && content) return content;
  const message = content?.error?.message ?? `The service answered with status ${response.status}.`;
  const lacksToken = response.status === 401 || response.status === 403;
  if (lacksToken && (await askForToken(message))) return ask(path, body, type);
  throw new Problem(message, content?.request_id, content?.error?.code);
}

/** The same for an object as JSON. */
export function askJson(path, fields) {
  return ask(path, JSON.stringify(fields), "application/json");
}

async function send(path, body, type) {
  const headers = {};
  if (type) headers["Content-Type"] = type;
  if (token()) headers.Authorization = `Bearer ${token()}`;
  try {
    return await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body });
  } catch {
    throw new Problem("The service cannot be reached; is it still running?");
  }
}
