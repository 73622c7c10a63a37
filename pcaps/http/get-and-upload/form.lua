-- Holds for an upload whose sender is the client of the flow, and counts it.
local flow = require("suricata.flow")
local flowint = require("suricata.flowint")
local http = require("suricata.http")
local packet = require("suricata.packet")

function init()
    flowint.register("uploads")
    return {}
end

function thread_init()
    uploads = flowint.get("uploads")
end

function match()
    local tx = http.get_tx()
    local kind = tx:request_header("content-type")
    if kind == nil or not kind:find("^multipart/form%-data; boundary=") then
        return false
    end
    local _, client = flow.get():tuple()
    local _, source, _, protocol, _, port = packet.get():tuple()
    return client == source and protocol == 6 and port == 80 and tx:request_headers()["User-Agent"] == "case/1.0"
        and uploads:incr() == 1
end
