-- Refuses a value that NumPy prints with its type, as np.float64(0.5): inline code should give a plain number or a text.
-- press says so itself, with the line; Quarto prints whatever repr says, so that this filter stands in _quarto.yml.
if not quarto then return {} end

local TYPES = {}
for name in ("float int uint complex longdouble clongdouble longlong ulonglong bool str bytes datetime timedelta"):gmatch("%l+") do
  TYPES[name] = true
end

local function printed(text)
  local name, bits = text:match("%f[%w]np%.(%l+)([%d_]*)%(")
  return TYPES[name] and name .. bits .. "(...)" or text:match("%f[%w]np%.([TF]%l+_)%f[^%w_]")
end

local function check(inlines)
  for _, inline in ipairs(inlines) do
    local found = inline.t == "Str" and printed(inline.text)
    if found then
      local page = pandoc.path.make_relative(quarto.doc.input_file, quarto.project.directory)
      io.stderr:write("ERROR: " .. page .. ": inline code prints np." .. found .. " in “" .. pandoc.utils.stringify(inlines)
        .. "”\n  make it a plain value with float(...), int(...) or bool(...), or format it in an f-string\n")
      os.exit(1) -- what Lua calls an error, Quarto writes down and goes on
    end
  end
end

function Pandoc(doc)
  for _, block in ipairs(doc.blocks) do
    if pandoc.utils.stringify(block):find("np.", 1, true) then -- much faster than to go through all words
      pandoc.Blocks({block}):walk({
        traverse = "topdown",
        Div = function(div) if div.classes:includes("cell") then return div, false end end, -- what a cell prints may say so
        Inlines = check,
      })
    end
  end
end
