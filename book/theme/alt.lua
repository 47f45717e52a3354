-- Gives inline figures their alternative text under Quarto, which hands a cell's fig-alt on to picture files alone.
-- The cells of the source are looked at in their order; press knows the text of each cell by itself.
if not (quarto and FORMAT:match("html")) then return {} end

local DRAWING = '<div class="drawing" role="img"'

local function alternatives()
  local file, found = io.open(quarto.doc.input_file), {}
  if not file then return found end
  for line in file:lines() do
    local text = line:match('^#| fig%-alt: "(.*)"%s*$')
    if text then
      text = text:gsub('\\"', '"'):gsub("&", "&amp;"):gsub('"', "&quot;"):gsub("<", "&lt;")
      table.insert(found, text)
    end
  end
  file:close()
  return found
end

function Pandoc(doc)
  local drawings, texts = 0, alternatives()
  local function each(change)
    return doc:walk({RawBlock = function(raw)
      if raw.format == "html" and raw.text:find(DRAWING, 1, true) then return change(raw) end
    end})
  end
  each(function() drawings = drawings + 1 end)
  if drawings == 0 then return nil end
  if drawings ~= #texts then
    io.stderr:write("WARNING: " .. quarto.doc.input_file .. ": " .. drawings .. " figures, and " .. #texts .. " lines #| fig-alt: \"...\": the figures stay without\n")
    return nil
  end
  local at = 0
  return each(function(raw)
    at = at + 1
    local from, to = raw.text:find(DRAWING, 1, true)
    return pandoc.RawBlock("html", raw.text:sub(1, to) .. ' aria-label="' .. texts[at] .. '"' .. raw.text:sub(to + 1))
  end)
end
