-- What an error page can say besides the status, and what the log says of requests that got one.
local config = require "vizgate.config"
local has_visited = require("vizgate.auth").has_visited
local host_owner = require("vizgate.hosts").owner
local origin = require "vizgate.origin"

local TOOL_BYTES = 97           -- of the longest "/user/link"
local LINK_BYTES = 63           -- of the longest link's name
local SHOWN_BYTES = 60          -- of an address on an error page
local LINK_PATH = "^(/[a-z0-9][a-z0-9._-]*)/"
local USER_AND_LINK_PATH = "^(/[a-z_][a-z0-9_-]*/[a-z0-9][a-z0-9._-]*)/"

local _M = {}

-- For a request outside of its tool's own address: the address of the tool whose page has made it, and what it asked for. Only
-- the texts of Referer and request count, so that the answer does not show which links and users exist.
local function asked_outside(var)
    local _, own
    if config.suffix then
        _, own = host_owner(var.http_host)
    end
    local page = not own and origin.referer_path(var.http_referer, origin.origins(var)) or ""
    local tool = page:match(config.suffix and LINK_PATH or USER_AND_LINK_PATH)
    local wanted = (var.request_uri or ""):match("^/[%w/._~%%+-]*")
    if tool and #tool <= TOOL_BYTES and wanted and (wanted .. "/"):sub(1, #tool + 1) ~= tool .. "/" then
        return tool, #wanted > SHOWN_BYTES and wanted:sub(1, SHOWN_BYTES) .. "…" or wanted
    end
end

-- What was wrong with a backend's answer that nginx did not pass on; nothing where none has come.
local function bad_answer(var)
    local bytes = tonumber((var.upstream_bytes_received or ""):match("%d+$")) or 0
    return bytes >= config.head_bytes and "oversized" or bytes > 0 and "broken" or nil
end

-- The user and link of an address, by its text alone.
local function link_at(path, var)
    if config.suffix then
        local user, own = host_owner(var.http_host)
        return user, path ~= "" and own or path:match("^/([a-z0-9][a-z0-9._-]*)/")
    end
    return path:match("^/([a-z_][a-z0-9_-]*)/([a-z0-9][a-z0-9._-]*)/")
end

-- Writes to the log which link is concerned by a request that has got none: one outside of the link that a page of the link has
-- made, or a websocket of WebKit's, which sends no password with one. Of addresses that are not the link owner's own, only those
-- requests count that were refused before anything was looked up (there is no user yet), so that the owner does not learn what
-- is there, or who may see it; and none that came by way of another site, which may have put something of its own into the
-- address. Without encryption browsers do not mark that: then the helper hands out no more than the address's first part.
local function note(var, status, tool)
    local problem, place = "outside", tool and tool .. "/"
    if status == 401 and var.vizgate_upgrade ~= "" and var.http_sec_fetch_dest == "websocket" then
        problem, place = "no password", var.vizgate_written .. "/"
    end
    local user, link = link_at(place or "", var)
    local site, is_own = var.http_sec_fetch_site, var.vizgate_login ~= "" and var.vizgate_user == user
    local is_unseen = status == 403 and var.vizgate_user == "" and (not site or site == "same-origin")
    if is_unseen and not site then
        problem = "outside unmarked"
    end
    if link and #link <= LINK_BYTES and (is_own or (is_unseen or problem == "no password") and has_visited(user)) then
        var.vizgate_noted, var.vizgate_concerns = problem, user .. "/" .. link
    end
end

-- Access phase of an error page.
function _M.explain()
    local var, status = ngx.var, ngx.status
    if (var.vizgate_problem or "") ~= "" then
        return
    elseif status == 502 then
        local problem = bad_answer(var)
        if problem then
            var.vizgate_case, var.vizgate_noted = problem .. " ", problem
        end
    elseif status == 401 or status == 403 or status == 404 then
        local tool, wanted = asked_outside(var)
        if tool then
            var.vizgate_case, var.vizgate_tool, var.vizgate_wanted = "outside", tool, wanted
            var.vizgate_tool_link = tool:match("[^/]*$")
        end
        note(var, status, tool)
    end
end

return _M
