// The host's page: a frame for one call's page, as a chat would show it.

import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

let bridge;

window.openFrame = async ({ theme, can }) => {
  document.body.style.background = theme === "dark" ? "#000" : "#fff";
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.style = "width: 100%; height: 60px; border: 1px solid #888; border-radius: 8px";
  document.body.append(frame);
  const capabilities = { serverTools: {}, downloadFile: {}, ...can };
  for (const [name, value] of Object.entries(capabilities)) if (value === null) delete capabilities[name];
  bridge = new AppBridge(null, { name: "chat", version: "1" }, capabilities, { hostContext: { theme } });
  bridge.oncalltool = ({ name, arguments: args }) => window.callTool(name, args);
  bridge.ondownloadfile = async ({ contents }) => {
    await window.saveFile(contents);
    return {};
  };
  bridge.addEventListener("sizechange", ({ height }) => {
    frame.style.height = `${height + 2}px`;
  });
  const ready = new Promise((resolve) => bridge.addEventListener("initialized", resolve));
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.src = "http://frame.test/";
  await ready;
};

window.tell = async ({ input, result }) => {
  if (input) await bridge.sendToolInput({ arguments: input });
  if (result) await bridge.sendToolResult(result);
};
window.setContext = (context) => bridge.setHostContext(context);
window.teardown = () => bridge.teardownResource({});
