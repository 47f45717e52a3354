-- The glossary: every term of art in one plain sentence.  It stands here once; this filter writes it where a page has
-- ::: {#glossary}, and links the first use of each term in a section to it, with the sentence as the link's title.
-- A term is followed by its other forms; longer terms are found before shorter ones.
local TERMS = {
  {"activation", {"activations"}, "What a hidden unit gives out: the activation function of its pre-activation."},
  {"activation function", {"activation functions"}, "The function that a layer applies to each pre-activation, such as tanh or ReLU."},
  {"Adam", {}, "An optimiser that divides an average of past gradients by the root of an average of their squares, so that all weights take steps of about the same size."},
  {"autograd", {}, "The part of PyTorch that records what is computed and works out the gradients."},
  {"backward pass", {}, "The way back through a network, from the loss to the weights, on which the gradients are worked out."},
  {"batch norm", {"batch normalisation"}, "A layer that shifts and scales each unit to mean 0 and variance 1 over the batch, and then to a mean and scale that are learnt."},
  {"bias correction", {}, "Dividing an exponential moving average by the total weight that it has given out so far, which undoes its start from zero."},
  {"channel", {"channels"}, "One of the numbers that a convolution computes at every position, always with the same weights."},
  {"confidence interval", {"confidence intervals", "95 % interval"}, "A range that contains the true value in 95 of 100 repetitions of the whole experiment."},
  {"context", {"contexts"}, "The characters that the network sees before the one it has to guess."},
  {"control", {"controls"}, "The same run with one thing changed: what differs is due to that thing."},
  {"convolution", {"convolutions"}, "A layer that computes the same weighted sums at every position of its input."},
  {"cross-entropy", {}, "The mean of −ln p, where p is the probability that the network gave to the right answer."},
  {"curvature", {"curvatures"}, "The second derivative of a curve: how narrow its bowl is."},
  {"dead unit", {"dead units"}, "A ReLU unit whose pre-activation is negative on every example: its gradient is zero, so it does not learn."},
  {"decade", {"decades"}, "A factor of ten, as on a logarithmic axis."},
  {"dropout", {}, "Setting a random share of the activations to zero in each step of training, and scaling up the others; in evaluation all are kept."},
  {"effective learning rate", {"effective learning rates"}, "Learning rate over the square of the weights' size: what the learning rate amounts to for weights whose size a norm divides out."},
  {"embedding", {"embeddings"}, "The vector of learnt numbers that stands for a character."},
  {"entropy", {}, "The smallest cross-entropy that guesses of fixed probabilities can reach, −Σ p ln p."},
  {"evaluation mode", {}, "How a network runs when it is not learning: batch norm takes its running averages in place of the batch's mean and variance."},
  {"excess kurtosis", {}, "How heavy the tails of a distribution are: the mean fourth power of the standardised values, less 3. It is 0 for a normal distribution and −1.2 for a uniform one."},
  {"exponential moving average", {"EMA", "exponential moving averages"}, "A running average that keeps a share β of what it was and takes 1 − β of what is new."},
  {"fan-in", {}, "The number of inputs of a unit."},
  {"finite difference", {"finite differences"}, "An estimate of a derivative: the change of a function over a small step, divided by the step."},
  {"float32", {}, "PyTorch's usual numbers, of 32 bits: about seven decimal digits, up to 3.4 × 10³⁸."},
  {"forward pass", {}, "The way through a network from its inputs to the loss."},
  {"gain", {"gains"}, "The factor by which the weights of a layer are larger than 1/√(fan-in)."},
  {"ghost batch", {"ghost batches", "ghost batch size"}, "A part of a batch over which batch norm takes its statistics as if it were the whole."},
  {"gradient", {"gradients"}, "The derivatives of the loss with respect to weights or activations."},
  {"group norm", {"group normalisation"}, "A layer that shifts and scales each group of an example's channels to mean 0 and variance 1, over channels and positions."},
  {"initialisation", {"initialisations"}, "How the weights are drawn before training begins."},
  {"instance norm", {"instance normalisation"}, "A layer that shifts and scales each channel of an example to mean 0 and variance 1 over its positions."},
  {"layer norm", {"layer normalisation"}, "A layer that shifts and scales each example to mean 0 and variance 1 over its units."},
  {"learning rate", {"learning rates"}, "The factor by which a gradient is multiplied to get a step."},
  {"logit", {"logits"}, "What the last layer gives for a class; softmax turns all of them into probabilities."},
  {"mean square", {}, "The mean of the squares: the variance plus the square of the mean."},
  {"momentum", {}, "An optimiser that steps along a decaying sum of past gradients."},
  {"names network", {}, "The book's usual network: it reads three characters of a name and guesses the next; embeddings, one hidden layer, 27 logits."},
  {"nat", {"nats"}, "The unit of a loss that is taken with the natural logarithm: 1 nat is 1.44 bits."},
  {"one-hot", {}, "A vector that is 1 at one class and 0 at all others."},
  {"overflow", {"overflows"}, "What becomes of a number too large for its format: it turns to infinity."},
  {"perplexity", {}, "e to the cross-entropy: among how many equally likely classes the network would have to guess to be as unsure."},
  {"power law", {"power laws"}, "One quantity goes as a fixed power of another: a straight line where both axes are logarithmic."},
  {"pre-activation", {"pre-activations"}, "What a unit computes before its activation function: the weighted sum of its inputs, plus its bias."},
  {"quantile", {"quantiles"}, "The value below which a given share of all values lies; the median is the quantile of one half."},
  {"ratio of update to data", {"update over data"}, "The standard deviation of what a step changes in a layer, over the standard deviation of the layer's weights."},
  {"residual connection", {"residual connections"}, "A way around a layer: what goes in is added to what comes out."},
  {"RMS", {}, "Root mean square: the root of the mean of the squares, which is the standard deviation where the mean is zero."},
  {"RMS norm", {"RMS normalisation"}, "Layer norm without the mean: each example is divided by the RMS of its values."},
  {"running average", {"running averages"}, "What batch norm keeps for evaluation: an exponential moving average of the means, or of the variances, of the batches."},
  {"saturated", {"saturation"}, "Said of a tanh unit whose output is so near to −1 or 1 that its derivative is almost zero."},
  {"seed", {"seeds"}, "The number that fixes all random choices of a run; several seeds show how much is chance."},
  {"SGD", {"stochastic gradient descent"}, "Stochastic gradient descent: each step goes against the gradient of one batch, times the learning rate."},
  {"singular value", {"singular values"}, "How much a matrix stretches one of its own directions: any matrix is a rotation, a stretching and another rotation."},
  {"skewness", {}, "How lopsided a distribution is: the mean cube of the standardised values. It is 0 for a symmetric one."},
  {"softmax", {}, "The function that turns logits into probabilities: e to each, divided by the sum of all."},
  {"standard deviation", {"standard deviations"}, "The root of the mean squared distance from the mean."},
  {"standard error", {"standard errors"}, "The standard deviation of a mean over seeds."},
  {"underflow", {"underflows"}, "What becomes of a number too small for its format: it turns to zero."},
  {"unit in the last place", {"units in the last place"}, "The distance from one number to the next that its format can hold."},
  {"validation loss", {}, "The loss on names that were not trained on."},
  {"weight decay", {}, "Making every weight a little smaller at each step."},
}

local function anchor(term) return "term-" .. term:lower():gsub("[^%w]+", "-") end

-- Where a div asks for it: the terms as a definition list.
local function list()
  local items = pandoc.List()
  for _, term in ipairs(TERMS) do
    local name, forms, sentence = table.unpack(term)
    items:insert({{pandoc.Span({pandoc.Str(name)}, pandoc.Attr(anchor(name), {"term-name"}))}, {{pandoc.Plain(pandoc.read(sentence, "markdown").blocks[1].content)}}})
  end
  return pandoc.DefinitionList(items)
end

-- The words of each form, by their first word, longest first.
local forms = {}
for _, term in ipairs(TERMS) do
  for _, form in ipairs({term[1], table.unpack(term[2])}) do
    local words = {}
    for word in form:gmatch("%S+") do table.insert(words, word) end
    local first = words[1]:lower()
    forms[first] = forms[first] or {}
    table.insert(forms[first], {words = words, term = term})
  end
end
for _, list_ in pairs(forms) do table.sort(list_, function(a, b) return #a.words > #b.words end) end

local function bare(text) return text:match("^[(“‘\"]*(.-)[%p”’]*$") or text end

-- Whether the words stand here; capitals count where a term has them (RMS is no rms).
local function matches(inlines, from, words)
  local at = from
  for index, word in ipairs(words) do
    local here = inlines[at]
    if not here or here.t ~= "Str" then return nil end
    local text = index == #words and bare(here.text) or (index == 1 and here.text:match("^[(“‘\"]*(.*)$") or here.text)
    local same = text == word or (not word:match("%u") and text:lower() == word:lower() and text:match("^%u?[^%u]*$"))
    if not same then return nil end
    if index < #words then
      local gap = inlines[at + 1]
      if not gap or (gap.t ~= "Space" and gap.t ~= "SoftBreak") then return nil end
      at = at + 2
    end
  end
  return at
end

local function linked(inlines, seen)
  local out, at = pandoc.List(), 1
  while at <= #inlines do
    local here, done = inlines[at], false
    if here.t == "Str" then
      for _, form in ipairs(forms[bare(here.text):lower()] or forms[(here.text:match("^[(“‘\"]*(.*)$") or ""):lower()] or {}) do
        local last = matches(inlines, at, form.words)
        if last then
          local name = form.term[1]
          if not seen[name] then
            seen[name] = true
            local inside = pandoc.List()
            for i = at, last do inside:insert(inlines[i]:clone()) end
            local before = inside[1].text:match("^[(“‘\"]*")
            inside[1].text = inside[1].text:sub(#before + 1)
            local core = inside[#inside].text:match("^(.-)[%p”’]*$")
            local after = inside[#inside].text:sub(#core + 1)
            inside[#inside].text = core
            if before ~= "" then out:insert(pandoc.Str(before)) end
            out:insert(pandoc.Link(inside, "notation.qmd#" .. anchor(name), form.term[3], pandoc.Attr("", {"term"})))
            if after ~= "" then out:insert(pandoc.Str(after)) end
          else
            for i = at, last do out:insert(inlines[i]) end
          end
          at, done = last + 1, true
          break
        end
      end
    end
    if not done then
      if here.t == "Emph" or here.t == "Strong" or here.t == "Quoted" then here.content = linked(here.content, seen) end
      out:insert(here)
      at = at + 1
    end
  end
  return out
end

-- Prose only: no headings, captions, tables, code, exercises' titles.
local function walk(blocks, seen)
  for index, block in ipairs(blocks) do
    if block.t == "Header" then
      if block.level <= 2 then for name in pairs(seen) do seen[name] = nil end end
    elseif block.t == "Para" then
      block.content = linked(block.content, seen)
    elseif block.t == "Div" and not block.identifier:match("^fig%-") and not block.identifier:match("^tbl%-")
      and not block.classes:includes("cell") and not block.classes:includes("strip") then
      walk(block.content, seen)
    elseif block.t == "BlockQuote" then
      walk(block.content, seen)
    elseif block.t == "BulletList" or block.t == "OrderedList" then
      for _, item in ipairs(block.content) do walk(item, seen) end
    end
    blocks[index] = block
  end
  return blocks
end

function Pandoc(doc)
  local is_glossary = false
  doc = doc:walk({Div = function(div)
    if div.identifier == "glossary" then
      is_glossary = true
      return pandoc.Div({list()}, div.attr)
    end
  end})
  -- A chapter, and neither the glossary itself nor paper, where nothing is shown on hovering.
  local chapter = doc.blocks:find_if(function(block) return block.t == "Div" and block.classes:includes("strip") end)
  if chapter == nil then
    doc:walk({Div = function(div) if div.classes:includes("strip") then chapter = div end end})
  end
  if is_glossary or not chapter or FORMAT:match("typst") or FORMAT:match("epub") then return doc end
  doc.blocks = walk(doc.blocks, {})
  return doc
end
