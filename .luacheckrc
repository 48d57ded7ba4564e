-- Settings of luacheck: the request logic runs in nginx's Lua module.
std = "ngx_lua"
max_code_line_length = 120
-- as ruff has it for texts
max_line_length = 140
cache = false

-- wrk's scripts: wrk calls these functions
files["tests/bench"] = { std = "luajit", globals = { "init", "request", "wrk" } }
