// The places of the rail, in order: places.json names them (the server needs to know their addresses too), this says
// what shows them. A place comes with a view, and may come with a list that the rail shows under the places.
import type { Component } from 'svelte';
import Chat from './chat/Chat.svelte';
import ConversationList from './chat/ConversationList.svelte';
import { findConversations } from './chat/search';
import list from '../places.json';
import type { Finder } from './shell/commands.svelte';
import type { IconName } from './shell/Icon.svelte';

export interface Place {
  path: string;
  title: string;
  icon: IconName;
  about: string;
  hub?: boolean; // its addresses are those of repositories: all that are no other place's
}

export const places = list as Place[];

type View = Component<Record<string, never>>;
type Loaded = View | (() => Promise<View>);

// The first view is at hand; the others are loaded when first shown.
export const views: Record<string, Loaded> = {
  chat: Chat as View,
  models: async () => (await import('./hub/Hub.svelte')).default as View,
  training: async () => (await import('./training/Training.svelte')).default as View,
};
export const lazy = new Set(['training', 'models']);

export const lists: Record<string, View> = { chat: ConversationList as View };

// What the search looks through, place by place.
export const finders: Finder[] = [findConversations];
