-- A number keeps its per cent sign, its interval and its power of ten: no line ends between them.  An option of a command,
-- such as --set, is not broken after its dashes.
local closing = {"%", "±", "×"} -- stay with the number before them
local opening = {["±"] = true, ["×"] = true} -- and these with the one after

local function closes(text)
  for _, sign in ipairs(closing) do
    if text:sub(1, #sign) == sign then return true end
  end
end

function Inlines(inlines)
  for i = 2, #inlines - 1 do
    local before, after = inlines[i - 1], inlines[i + 1]
    if inlines[i].t == "Space" and (after.t == "Str" and closes(after.text) or before.t == "Str" and opening[before.text]) then
      inlines[i] = pandoc.Str("\u{a0}")
    end
  end
  return inlines
end

function Code(code)
  if code.text:match("^%-%-?%w[%w-]*$") then
    code.classes:insert("option")
    return code
  end
end
