-- What the PDF that Quarto makes needs besides the rules in quarto.typ.  Elsewhere nothing: press has a design of its own.
if FORMAT ~= "typst" then return {} end

local SHORT = 240 -- characters of a paragraph that can go to the next page with the table that it leads to

local function raw(text) return pandoc.RawBlock("typst", text) end

local function begins_with_table(block)
  while block and block.t == "Div" do block = block.content[1] end
  return block and block.t == "Table"
end

local function is_chapter(block) return block and block.t == "Header" and block.level == 1 end

-- Before the first chapter of a part, Quarto writes the part; before the first appendix, a chapter of that name.
local function writes(block, start) return block and block.t == "RawBlock" and block.text:match("^%s*#" .. start) ~= nil end

-- Quarto has its own mark on them by now; a solution's own exercise stands nearer than the next.
local function is_box(block)
  return block.t == "Div" and (block.attributes.__quarto_custom_type == "Callout" or block.classes:find_if(function(class) return class:match("^callout%-") end))
end

local function kept_together(blocks)
  local made, within = pandoc.Blocks({}), true -- whether a chapter can have ended here
  for index, block in ipairs(blocks) do
    local part = writes(block, "part%[")
    if part or writes(block, "show: appendices") or is_chapter(block) and within then
      made:insert(raw("#metadata(none) <chapter-end>"))
    end
    within = not part and (within or block.t ~= "RawBlock")
    if is_chapter(block) and block.classes:includes("unnumbered") then
      -- The template lists a chapter under the part before it, and gives it the number of the section before it.
      made:insert(raw('#state("part-state", none).update(none)'))
    end
    if block.t == "Div" then block.content = kept_together(block.content) end
    local leads = block.t == "Para" and begins_with_table(blocks[index + 1])
    if is_box(block) then
      made:extend({raw("#v(1em, weak: true)"), block, raw("#v(1em, weak: true)")})
    elseif leads and pandoc.text.len(pandoc.utils.stringify(block)) < SHORT then
      made:extend({raw("#block(sticky: true)["), block, raw("]")})
    else
      made:insert(block)
    end
  end
  return made
end

-- Typst's own listing, which quarto.typ can set line by line; Quarto's is one paragraph, and justified.
local function listing(code)
  if code.classes:includes("quarto-title-block") then return nil end -- a chapter's settings, on their way
  local longest = 2
  for ticks in code.text:gmatch("`+") do longest = math.max(longest, #ticks) end
  local fence = ("`"):rep(longest + 1)
  local language = code.classes[1] and code.classes[1]:match("^%w+$") or ""
  return raw(fence .. language .. "\n" .. code.text .. "\n" .. fence)
end

-- The home page: the ways in stand apart, and so do the chapters.
local function button(link)
  if link.classes:includes("button") then
    local open = pandoc.RawInline("typst", "#box(inset: (x: 6pt, y: 4pt), radius: 2pt, stroke: 0.5pt)[")
    return {open, link, pandoc.RawInline("typst", "]")}
  end
end

local function entry(div)
  if div.classes:includes("chapter") then
    div.content:insert(1, raw("#set par(first-line-indent: 0pt)"))
    return {raw("#v(1em, weak: true)"), div, raw("#v(1em, weak: true)")}
  end
end

function Pandoc(doc)
  doc.blocks = kept_together(doc.blocks):walk({CodeBlock = listing, Link = button, Div = entry})
  return doc
end
