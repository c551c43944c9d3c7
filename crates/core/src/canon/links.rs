//! Who computes and who reads which tensor, kept while nodes change, and whom a change may concern.

use std::collections::VecDeque;

use crate::graph::{Graph, Node, TensorId};

#[derive(Default)]
pub(super) struct Links {
    /// By tensor.
    producers: Vec<Option<usize>>,
    readers: Vec<Vec<usize>>,
    outputs: Vec<bool>,
    /// By node: what it computes, whether it is still there, whether it waits to be looked at.
    results: Vec<TensorId>,
    alive: Vec<bool>,
    queued: Vec<bool>,
    /// Nodes whose neighbourhood changed.
    queue: VecDeque<usize>,
    /// Nodes whose output something may have stopped reading.
    idle: Vec<usize>,
}

impl Links {
    pub fn of(graph: &Graph) -> Links {
        let mut links = Links::default();
        links.reach(TensorId(graph.tensors.len() as u32));
        for id in &graph.outputs {
            links.outputs[id.0 as usize] = true;
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            links.add(index, node);
        }
        links
    }

    pub fn producer(&self, id: TensorId) -> Option<usize> {
        *self.producers.get(id.0 as usize)?
    }

    pub fn readers(&self, id: TensorId) -> &[usize] {
        self.readers.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// The nodes there are, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.alive.len()).filter(|node| self.alive[*node])
    }

    pub fn set_output(&mut self, id: TensorId, is: bool) {
        self.reach(id);
        self.outputs[id.0 as usize] = is;
    }

    /// A new node, the next in number.
    pub fn add(&mut self, index: usize, node: &Node) {
        self.results.push(node.output);
        self.alive.push(true);
        self.queued.push(false);
        self.reach(node.output);
        self.producers[node.output.0 as usize] = Some(index);
        self.read(index, node);
        self.idle.push(index);
    }

    /// `node` reads its operands from now on.
    pub fn read(&mut self, index: usize, node: &Node) {
        for id in &node.inputs {
            self.reach(*id);
            let readers = &mut self.readers[id.0 as usize];
            if !readers.contains(&index) {
                readers.push(index);
            }
        }
        self.touch(index, node);
    }

    /// `node` no longer reads its operands.
    pub fn unread(&mut self, index: usize, node: &Node) {
        self.touch(index, node);
        for id in &node.inputs {
            self.readers[id.0 as usize].retain(|reader| *reader != index);
            self.check(*id);
        }
    }

    /// Has the producer of `id` dropped if nothing reads it.
    pub fn check(&mut self, id: TensorId) {
        self.idle.extend(self.producer(id));
    }

    /// A node that is there although nothing reads its output.
    pub fn next_idle(&mut self) -> Option<usize> {
        while let Some(node) = self.idle.pop() {
            let output = self.results[node].0 as usize;
            let read = self.outputs[output] || !self.readers[output].is_empty();
            if self.alive[node] && !read {
                return Some(node);
            }
        }
        None
    }

    pub fn drop(&mut self, index: usize, node: &Node) {
        self.unread(index, node);
        self.alive[index] = false;
        self.producers[node.output.0 as usize] = None;
    }

    /// Has every node looked at.
    pub fn touch_all(&mut self) {
        let nodes: Vec<usize> = self.nodes().collect();
        nodes.into_iter().for_each(|node| self.push(node));
    }

    /// The next node to look at.
    pub fn next(&mut self) -> Option<usize> {
        while let Some(node) = self.queue.pop_front() {
            self.queued[node] = false;
            if self.alive[node] {
                return Some(node);
            }
        }
        None
    }

    /// Has a node and its neighbours looked at; those that read the same tensor only where there is one.
    fn touch(&mut self, index: usize, node: &Node) {
        self.push(index);
        for reader in self.readers(node.output).to_vec() {
            self.push(reader);
        }
        for id in &node.inputs {
            self.producer(*id).into_iter().for_each(|p| self.push(p));
            if let [other] = self.readers(*id)[..] {
                self.push(other);
            }
        }
    }

    fn push(&mut self, node: usize) {
        if !std::mem::replace(&mut self.queued[node], true) {
            self.queue.push_back(node);
        }
    }

    fn reach(&mut self, id: TensorId) {
        let length = (id.0 as usize + 1).max(self.producers.len());
        self.producers.resize(length, None);
        self.readers.resize(length, Vec::new());
        self.outputs.resize(length, false);
    }
}
